/*
 * The screen "Manage Refresh Token", in any panel (lib/ux1 describes what a panel is). lib/procedures has its
 * two procedures. They share this object, screen:
 *
 *   operations()             the operations of the tenant
 *   now()                    the connector's time
 *   whileOpen(show)          show, unless the screen was left in the meantime (lib/connector)
 *   operate()                says that an operation begins which changes the status; makes the callbacks for its answer
 *   busy(names, is)          disables widgets during an operation
 *   setText(name, text)      the value of a widget
 *   clear()                  removes what earlier presses have said
 *   reload()                 reads status and history again
 *   unfold()                 shows the procedures
 *   showUpdated(answer)      a consent has taken effect, with the answer of redeem
 *   showUnconfirmed()        a consent waits for confirmation
 *   showConsentError(error)  a call of a procedure has failed
 */
define([
    "aps/confirm",
    "app/lib/connector",
    "app/lib/status",
    "app/lib/procedures",
    "app/lib/dom"
], function (confirm, connector, status, procedures, dom) {
    "use strict";

    const { operations: operationsOf, failures } = connector;

    const whole = "md-12 xs-12";

    const refreshEvery = 60000;
    // State → what its one button does. The others have it in a procedure, or none.
    const mainActions = { active: "check", expiring: "renew", renewal_failing: "renew", misconfigured: "settings", pending: "code" };
    // States in which a new consent is not needed at once.
    const foldableStates = ["active", "expiring", "renewal_failing", "misconfigured", "suspended"];

    return function (panel) {
        const t = panel.t;
        const widget = panel.byId;
        const lifetime = operationsOf.lifetime();
        const whileOpen = lifetime.whileOpen;
        let operations = null;
        let tenantId = "";
        let offset = 0; // how far the connector's clock is ahead of this browser's, in milliseconds
        let timer = 0;
        let unconfirmed = ""; // id of the consent that waits for confirmation
        let suspended = false; // whether the platform suspended the subscription, so that the connector refuses most actions
        let stateOnly = false; // whether the account may see only the state, because it is above the reseller's
        let opened = false;
        let main = ""; // what the button that the state asks for does
        let menuOpen = false;
        let foldable = false;
        let unfolded = false;
        const readings = operationsOf.readings(); // of the status
        const operate = function () { return readings.operate(whileOpen); };
        const disable = dom.disabler();
        const busy = function (names, is) { disable(names.map(widget), is); };

        const showGroups = function (are) {
            widget("tiles").set("visible", are);
            ["historyPanel", "actions"].forEach(function (name) {
                widget(name).set("visible", are && !stateOnly);
            });
            widget("menu").set("visible", are && !stateOnly && menuOpen);
            widget("procedures").set("visible", are && !stateOnly && !suspended);
        };

        /* showActions shows the one button that the state asks for; the menu has the others. */
        const showActions = function (s) {
            const needed = s.state in mainActions ? mainActions[s.state] : "";
            const possible = s.expiresAt || ["check", "renew"].indexOf(needed) < 0;
            main = possible && !unconfirmed ? needed : "";
            automatic.setPrimary(!main && !unconfirmed);
            widget("main").set("visible", Boolean(main));
            if (main) {
                widget("main").set("label", mainLabels()[main]);
            }
            ["check", "renew"].forEach(function (name) { widget(name).set("visible", main !== name && !suspended); });
            widget("settings").set("visible", main !== "settings");
        };

        const showMenu = function (is) {
            menuOpen = is;
            widget("menu").set("visible", is);
            dom.expanded(widget("more"), is);
        };

        /* showFold folds both procedures while the token works, and never again under the hands of a person. */
        const showFold = function () {
            ["automaticBody", "manualBody"].forEach(function (name) { widget(name).set("visible", unfolded); });
            widget("again").set("visible", foldable && !stateOnly && !suspended);
            dom.expanded(widget("again"), unfolded);
        };

        const unfold = function (is) {
            unfolded = is !== false;
            showFold();
        };

        const setText = function (name, text) { dom.text(widget(name), text); };

        const mainLabels = function () {
            return { check: t("Check Now"), renew: t("Renew Now"), settings: t("Settings"), code: t("Enter Code") };
        };

        const showStatus = function (s) {
            offset = new Date(s.now || Date.now()) - Date.now();
            status.showStatus(panel, s);
            stateOnly = status.stateOnly(s);
            suspended = s.state === "suspended";
            showGroups(true);
            automatic.show(s);
            manual.show(s);
            unconfirmed = s.waiting && s.waiting.id || "";
            setText("unconfirmedText", procedures.unconfirmed(t, s));
            widget("unconfirmed").set("visible", Boolean(unconfirmed) && !suspended);
            showActions(s);
            foldable = foldableStates.indexOf(s.state) >= 0 && !procedures.pending(t, s);
            unfold(unfolded || !foldable);
            busy(["check", "renew"], !s.expiresAt);
            busy(["main"], false);
            busy(["forget"], !s.expiresAt && !s.pending);
        };

        const showUnknown = function (error) {
            status.showUnknown(panel, error);
            unfold();
        };

        const loadStatus = function () {
            const inOrder = readings.ask();
            return operations.tokenStatus().then(whileOpen(inOrder(showStatus)), whileOpen(inOrder(showUnknown)));
        };

        const loadHistory = function () {
            return history.load(operations.history, whileOpen);
        };

        const reload = function () {
            loadStatus();
            loadHistory();
        };

        const refresh = function () {
            timer = setTimeout(whileOpen(function () {
                if (!document.hidden) {
                    loadStatus();
                }
                refresh();
            }), refreshEvery);
        };

        const showUpdated = function (answer) {
            panel.showMessage("info", t("Your refresh token has been successfully updated"));
            if (answer.status) {
                showStatus(answer.status);
            }
            reload(); // the answer's status does not tell of the link
        };

        const showConsentError = function (error) { panel.showMessage("error", failures.consentErrorMessage(t, error)); };

        const clear = function () {
            panel.clearMessage();
            setText("result", "");
            setText("copyResult", "");
        };

        const screen = {
            operations: function () { return operations; },
            now: function () { return Date.now() + offset; },
            whileOpen: whileOpen,
            operate: operate,
            busy: busy,
            setText: setText,
            clear: clear,
            reload: reload,
            unfold: unfold,
            showUpdated: showUpdated,
            showUnconfirmed: function () {
                panel.showMessage("warning", t("A different account granted the consent this time. It takes effect once you confirm it."));
            },
            showConsentError: showConsentError
        };
        const automatic = procedures.automatic(panel, screen);
        const manual = procedures.manual(panel, screen);
        const history = status.history(panel);

        /* act runs an operation of the status group that answers with the new status. done returns the text that appears
           beside the buttons. */
        const act = function (call, done) {
            clear();
            busy(["main", "check", "renew", "forget"], true);
            const ended = operate();
            call().then(ended(function (s) {
                showStatus(s);
                setText("result", done(s));
                dom.restoreFocus(widget(main ? "main" : "more")); // the state may have hidden the pressed button
                loadHistory();
            }), ended(function (error) {
                setText("result", failures.errorMessage(t, error));
                reload();
            }));
        };

        const handlers = {
            confirm: function () {
                clear();
                busy(["confirm"], true);
                const ended = operate();
                operations.redeem(unconfirmed).then(ended(function (answer) {
                    showUpdated(answer);
                    dom.restoreFocus(widget("more")); // the button that had the focus is now hidden
                }), ended(function (error) {
                    showConsentError(error);
                    reload();
                })).always(function () { busy(["confirm"], false); });
            },
            check: function () {
                act(operations.check, function (s) { return status.verdict(t, s); });
            },
            renew: function () {
                act(operations.renew, function (s) {
                    if (s.lastRenewal && s.lastRenewal.ok) {
                        return t("The refresh token has been renewed.");
                    }
                    return s.failure ? failures.messageOf(t, s.failure) : "";
                });
            },
            settings: function () { panel.open("settings", "token"); },
            code: function () { dom.focus(widget("code")); },
            main: function () { handlers[main](); },
            more: function () { showMenu(!menuOpen); },
            again: function () { unfold(!unfolded); },
            forget: function () {
                confirm({
                    title: t("Delete Token"),
                    description: t("The connector destroys its copies of the refresh token. Azure subscriptions can't be managed until a new consent is granted. Nothing is revoked at Microsoft: to do that, remove the application's consent in the directory or revoke the account's sessions."),
                    submitLabel: t("Delete Token"),
                    cancelLabel: t("Cancel")
                }).then(whileOpen(function (yes) {
                    if (yes === true) {
                        act(operations.forget, function () {
                            automatic.focus(); // the button that had the focus is now disabled
                            return t("The token has been deleted.");
                        });
                    }
                }));
            }
        };

        const statusGroup = function () {
            const button = function (name, title, properties) {
                const given = { id: panel.id(name), label: title, autoBusy: false, onClick: handlers[name] };
                return ["aps/Button", Object.assign(given, properties)];
            };
            return ["aps/Tiles", { id: panel.id("tiles") }, [
                ["aps/Tile", {
                    id: panel.id("unconfirmed"),
                    title: t("Consent to Confirm"),
                    gridSize: whole,
                    visible: false,
                    buttons: [{ id: panel.id("confirm"), title: t("Confirm Consent"), type: "primary", autoBusy: false, onClick: handlers.confirm }]
                }, [
                    ["aps/FieldSet", { gridSize: whole }, [
                        ["aps/Output", { id: panel.id("unconfirmedText"), gridSize: whole, value: "" }]
                    ]]
                ]],
                status.tile(panel, [], [
                    ["aps/FieldSet", { gridSize: whole }, [
                        ["aps/Output", { id: panel.id("result"), gridSize: whole, value: "" }]
                    ]],
                    ["aps/Container", { id: panel.id("actions"), visible: false }, [
                        button("main", mainLabels().check, { type: "primary", visible: false }),
                        button("more", t("More"))
                    ]],
                    ["aps/Container", { id: panel.id("menu"), visible: false }, [
                        button("check", mainLabels().check, { disabled: true }),
                        button("renew", mainLabels().renew, { disabled: true }),
                        button("settings", mainLabels().settings),
                        button("forget", t("Delete Token"), { disabled: true })
                    ]]
                ])
            ]];
        };

        const procedureGroup = function () {
            return ["aps/Container", { id: panel.id("procedures"), visible: false }, [
                ["aps/Button", { id: panel.id("again"), label: t("Grant Consent Again"), autoBusy: false, visible: false, onClick: handlers.again }],
                ["aps/Tiles", { id: panel.id("pair") }, [automatic.tree(), manual.tree()]]
            ]];
        };

        const setTenant = function (tenant) {
            if (tenant.aps.id === tenantId) {
                return;
            }
            tenantId = tenant.aps.id;
            status.showLoading(panel);
            operations = operationsOf(tenantId);
            automatic.setTenant(operations, tenantId);
        };

        const prepareWidgets = function () {
            ["progress", "result"].forEach(function (name) { dom.live(widget(name), "polite"); });
            status.prepare(panel);
            history.prepare();
            ["actions", "menu"].forEach(function (name) { dom.row(widget(name)); });
            ["procedures", "pair"].forEach(function (name) { dom.apart(widget(name)); });
            automatic.prepare();
            manual.prepare();
        };

        /* reloadIfVisible reads everything again after a person has returned to the screen from another window. */
        const reloadIfVisible = function () {
            if (!document.hidden) {
                reload();
            }
        };

        return {
            tree: function () {
                return [
                    ["aps/Output", { id: panel.id("note"), value: "" }],
                    statusGroup(),
                    procedureGroup(),
                    ["aps/Panel", { id: panel.id("historyPanel"), title: t("History") }, history.tree()]
                ];
            },

            show: function () {
                const chosen = operationsOf.choose(panel.vars().tenant, panel.subscription());
                clearTimeout(timer);
                prepareWidgets();
                showGroups(Boolean(chosen.tenant));
                if (!chosen.tenant) {
                    setText("note", t("This account has no Azure Partner subscription, so there is no refresh token to manage. Subscribe to Azure Partner first, or ask your provider to do so."));
                    return null;
                }
                setText("note", chosen.several ? t("This account has more than one Azure Partner subscription. This screen shows the current subscription or else the first one.") : "");
                setTenant(chosen.tenant);
                if (!opened && panel.from() === "settings") {
                    dom.focus(widget("more"));
                }
                opened = true;
                automatic.resume();
                loadHistory();
                refresh();
                document.addEventListener("visibilitychange", reloadIfVisible);
                return loadStatus();
            },

            /* hide stops all timers and clears the fields. */
            hide: function () {
                opened = false;
                lifetime.end();
                clearTimeout(timer);
                document.removeEventListener("visibilitychange", reloadIfVisible);
                automatic.pause();
                manual.hide();
                unfolded = false;
                showMenu(false);
                clear();
            }
        };
    };
});
