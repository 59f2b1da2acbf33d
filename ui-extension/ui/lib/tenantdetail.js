/*
 * One reseller in detail on the screen "Refresh Tokens": status, what the provider can do, customers and history. It replaces the
 * list until it is closed. lib/ux1 describes what a panel is; events are changed() and closed(tenant).
 */
define([
    "app/lib/connector",
    "app/lib/status",
    "app/lib/customers",
    "app/lib/dom"
], function (connector, status, customersOf, dom) {
    "use strict";

    const { operations: operationsOf, failures, words } = connector;

    /* advice returns what the provider can do about a token. */
    const advice = function (t, state) {
        switch (state) {
        case "expired":
        case "action_required": return t("Ask the reseller to open Manage Refresh Token and use Update Refresh Token. Only someone in the reseller's directory can sign in.");
        case "misconfigured": return t("If the reseller has its own application, ask the reseller to correct its settings. Otherwise, check the application of the instance.");
        case "expiring":
        case "renewal_failing": return t("We'll retry automatically. If the renewal keeps failing, ask the reseller to use Update Refresh Token before the token expires.");
        case "pending": return t("Ask the reseller to enter the authentication code under Manual Update.");
        case "absent": return t("Ask the reseller to open Manage Refresh Token and grant the first consent.");
        case "suspended": return t("Resume the subscription. No access token is issued while it is suspended.");
        }
        return t("There's nothing to do.");
    };

    /* summary returns what the support needs to know, line by line. It has no secret. */
    const summary = function (t, row, instance, s) {
        const texts = status.fields(t, s);
        const states = words.states(t);
        return [
            [t("Reseller"), row.name],
            [t("Resource ID"), row.id],
            [t("Instance"), instance ? instance.id : ""],
            [t("State"), (states[s.state] || { label: s.state }).label],
            [t("Reason"), status.reason(t, s)],
            [t("What to Do"), status.advice(t, s)],
            [t("Valid Until"), texts.validUntil],
            [t("Last Renewal"), texts.lastRenewal],
            [t("Next Renewal"), texts.nextRenewal],
            [t("Directory"), texts.directory],
            [t("Application (Client) ID"), texts.application],
            [t("Credentials Expire"), texts.secretEnd],
            [t("Date"), new Date(s.now).toISOString()]
        ].filter(function (line) { return line[1]; }).map(function (line) {
            return [line[0], line[1]].join(": ");
        }).join("\n");
    };

    return function (panel, events) {
        const t = panel.t;
        const widget = panel.byId;
        const whole = "md-12 xs-12";
        const history = status.history(panel);
        let chosen = null; // {row, operations, readings, instance, status} of the tenant whose details are shown

        /* whileChosen ignores an answer if the details of another tenant are shown by then. */
        const whileChosen = function (tenant, show) {
            return function (value) {
                if (chosen === tenant) {
                    show(value);
                }
            };
        };

        /* The screen "Customers" of the chosen reseller, without what only the reseller may do. */
        const customers = customersOf(Object.assign({}, panel, {
            id: function (name) { return panel.id(["customers", name].join("")); },
            byId: function (name) { return widget(["customers", name].join("")); },
            vars: function () { return { tenant: [{ aps: { id: chosen.row.id } }] }; },
            subscription: function () { return ""; }
        }), { readOnly: true });
        let customersShown = false;

        const disable = dom.disabler();
        const busy = function (is) { disable(["check", "renew", "remind"].map(widget), is); };

        /* say shows the result of what was pressed. */
        const say = function (text) { widget("said").set("value", text); };

        const showStatus = function (s) {
            chosen.status = s;
            status.showStatus(panel, s);
            widget("todo").set("value", advice(t, s.state));
            widget("copySummary").set("disabled", false);
            busy(!s.expiresAt || s.state === "suspended");
            widget("remind").set("visible", ["active", "suspended"].indexOf(s.state) < 0);
            disable([widget("remind")], false);
        };

        const load = function () {
            const tenant = chosen;
            if (!tenant) {
                return null;
            }
            history.load(tenant.operations.history, function (show) { return whileChosen(tenant, show); });
            const inOrder = tenant.readings.ask();
            return tenant.operations.tokenStatus().then(whileChosen(tenant, inOrder(showStatus)), whileChosen(tenant, inOrder(function (error) {
                status.showUnknown(panel, error);
                widget("todo").set("value", "");
                busy(true);
            })));
        };

        const showCustomers = function (is) {
            if (customersShown && !is) {
                customers.hide();
            }
            customersShown = is;
            widget("customersArea").set("visible", is);
        };

        const show = function (is) {
            ["detail", "historyPanel"].forEach(function (name) { widget(name).set("visible", is); });
            widget("summary").set("visible", false);
            say("");
            showCustomers(false);
        };

        /* operate says that an operation of the chosen tenant begins; makes the callbacks for its answer. */
        const operate = function () {
            const tenant = chosen;
            say("");
            busy(true);
            return tenant.readings.operate(function (show) { return whileChosen(tenant, show); });
        };

        /* act runs an operation that answers with the new status. done returns the text that appears below the buttons. */
        const act = function (call, done) {
            const ended = operate();
            call(chosen.operations).then(ended(function (s) {
                showStatus(s);
                say(done(s));
                load();
                events.changed();
            }), ended(function (error) {
                say(failures.errorMessage(t, error));
                load();
                events.changed();
            }));
        };

        const close = function () {
            const tenant = chosen;
            chosen = null;
            show(false);
            if (tenant) {
                panel.clearMessage();
                events.closed(tenant.row.id);
            }
        };

        const handlers = {
            close: close,
            check: function () {
                act(function (operations) { return operations.check(); }, function (s) { return status.verdict(t, s); });
            },
            renew: function () {
                act(function (operations) { return operations.renew(); }, function (s) {
                    if (s.lastRenewal && s.lastRenewal.ok) {
                        return t("The refresh token has been renewed.");
                    }
                    return s.failure ? failures.messageOf(t, s.failure) : "";
                });
            },
            remind: function () {
                const ended = operate();
                chosen.operations.remind().then(ended(function () {
                    say(t("The reseller has been reminded. The notice says who asked for it."));
                }), ended(function (error) {
                    say(failures.errorMessage(t, error));
                })).always(load);
            },
            copySummary: function () {
                widget("summary").set("visible", true);
                widget("summary").set("value", summary(t, chosen.row, chosen.instance, chosen.status));
                dom.readOnly(widget("summary"));
                dom.copy(widget("summary").get("value"), widget("summary"), whileChosen(chosen, function (copied) {
                    say(copied ? t("The summary has been copied.") : t("The browser doesn't allow copying. Copy the text manually."));
                }));
            },
            customers: function () {
                showCustomers(!customersShown);
                if (customersShown) {
                    customers.show();
                }
            }
        };

        const button = function (name, title) {
            return { id: panel.id(name), title: title, autoBusy: false, onClick: handlers[name] };
        };

        return {
            tree: function () {
                return [
                    ["aps/Tiles", { id: panel.id("detail"), visible: false }, [
                        status.tile(panel, [
                            button("close", t("Back to the List")),
                            button("check", t("Check Now")),
                            button("renew", t("Renew Now")),
                            button("remind", t("Remind Reseller")),
                            button("copySummary", t("Copy Support Summary")),
                            button("customers", t("Customers"))
                        ]),
                        ["aps/Tile", { id: panel.id("todoTile"), title: t("What You Can Do"), gridSize: whole }, [
                            ["aps/Container", { class: "row" }, [
                                ["aps/FieldSet", { gridSize: whole }, [
                                    ["aps/Output", { id: panel.id("todo"), gridSize: whole, value: "" }],
                                    ["aps/Output", { id: panel.id("said"), gridSize: whole, value: "" }],
                                    ["aps/TextArea", { id: panel.id("summary"), label: t("Support Summary"), gridSize: whole, value: "", visible: false }]
                                ]]
                            ]]
                        ]]
                    ]],
                    ["aps/Container", { id: panel.id("customersArea"), visible: false }, customers.tree()],
                    ["aps/Panel", { id: panel.id("historyPanel"), title: t("History"), visible: false }, history.tree()]
                ];
            },

            /* prepare completes the widgets when they are on the page. */
            prepare: function () {
                status.prepare(panel);
                history.prepare();
                dom.breakable(widget("status")); // for the name in its title
                dom.live(widget("said"), "polite");
            },

            isOpen: function () { return Boolean(chosen); },

            open: function (row, instance) {
                chosen = { row: row, operations: operationsOf(row.id), readings: operationsOf.readings(), instance: instance, status: null };
                panel.clearMessage();
                widget("status").set("title", t("Token Status of __name__", { name: row.name }));
                status.showLoading(panel);
                history.clear();
                widget("todo").set("value", "");
                widget("copySummary").set("disabled", true);
                busy(true);
                show(true);
                dom.focus(widget("close"));
                load();
            },

            load: load,
            close: close
        };
    };
});
