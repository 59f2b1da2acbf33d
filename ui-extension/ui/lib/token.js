/* The screen "Manage Refresh Token", in any panel (lib/ux1 describes what a panel is). */
define([
    "aps/confirm",
    "app/lib/operations",
    "app/lib/failure",
    "app/lib/words",
    "app/lib/status",
    "app/lib/groups",
    "app/lib/tokenwidgets",
    "app/lib/consent",
    "app/lib/dom"
], function (confirm, operationsOf, failures, words, status, groups, widgets, consentOf, dom) {
    "use strict";

    const refreshEvery = 60000;
    const historyLength = 50;
    // Failures that concern the entered code; they are shown at its field.
    const codeFailures = [
        "bad_request", "address_incomplete", "claim_malformed", "claim_replaced", "claim_wrong", "claim_expired", "claim_locked", "nothing_to_claim",
        "code_used", "code_invalid", "state_used", "state_expired", "state_unknown"
    ];

    return function (panel) {
        const t = panel.t;
        const widget = panel.byId;
        const lifetime = operationsOf.lifetime();
        const whileOpen = lifetime.whileOpen;
        let operations = null;
        let consent = null;
        let tenantId = "";
        let offset = 0; // how far the connector's clock is ahead of this browser's, in milliseconds
        let timer = 0;
        let link = "";
        let startURL = ""; // the page that tells which browser we are open in; empty if there is none
        let unconfirmed = ""; // id of the consent that waits for confirmation
        let suspended = false; // whether the platform suspended the subscription, so that the connector refuses most actions
        let stateOnly = false; // whether the account may see only the state, because it is above the reseller's
        let opened = false;
        const now = function () { return Date.now() + offset; };
        const disable = dom.disabler();
        const busy = function (names, is) { disable(names.map(widget), is); };

        const showGroups = function (are) {
            widget("tiles").set("visible", are);
            ["historyPanel", "forget", "settings"].forEach(function (name) {
                widget(name).set("visible", are && !stateOnly);
            });
            ["automatic", "manual", "check", "renew"].forEach(function (name) {
                widget(name).set("visible", are && !stateOnly && !suspended);
            });
        };

        const setText = function (name, text) { widget(name).set("value", text); };
        const showProgress = function (text, linkText, url) {
            setText("progress", text);
            dom.link(widget("progress"), linkText || "", url || "");
        };

        const showCodeError = function (text) {
            setText("codeError", text);
            if (text) {
                dom.focus(widget("code"));
            }
            dom.invalid(widget("code"), text ? widget("codeError") : null);
        };

        const showLink = function (created) {
            link = created.url;
            setText("link", created.url);
            setText("linkState", t("The URL works until __time__ (__left__). It may be opened more than once.", {
                time: words.time(created.expiresAt),
                left: words.remaining(t, created.expiresAt, created.now || now())
            }));
            busy(["copy"], false);
        };

        const showNoLink = function (error) {
            link = "";
            setText("link", "");
            setText("linkState", failures.errorMessage(t, error));
            busy(["copy"], true);
        };

        const loadLink = function () {
            return operations.consentLink().then(whileOpen(showLink), whileOpen(showNoLink));
        };

        const showStatus = function (s) {
            offset = new Date(s.now || Date.now()) - Date.now();
            startURL = s.onboardingURL || "";
            groups.showStatus(panel, s);
            stateOnly = status.stateOnly(s);
            const resumed = suspended && s.state !== "suspended";
            suspended = s.state === "suspended";
            showGroups(true);
            if (resumed) {
                loadLink();
            }
            setText("pendingText", status.pending(t, s));
            widget("pending").set("visible", Boolean(status.pending(t, s)) && !suspended);
            unconfirmed = s.waiting && s.waiting.id || "";
            setText("unconfirmedText", status.unconfirmed(t, s));
            widget("unconfirmed").set("visible", Boolean(unconfirmed) && !suspended);
            setText("replaces", status.replaces(t, s));
            widget("replaces").set("visible", Boolean(status.replaces(t, s)));
            busy(["check", "renew"], !s.expiresAt);
            busy(["forget"], !s.expiresAt && !s.pending);
        };

        const loadStatus = function () {
            return operations.tokenStatus().then(whileOpen(showStatus), whileOpen(function (error) { groups.showUnknown(panel, error); }));
        };

        const loadHistory = function () {
            return operations.history(historyLength).then(whileOpen(function (events) {
                groups.showHistory(panel, events || []);
            }), whileOpen(function () { groups.showHistory(panel, null); }));
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

        const showUnconfirmed = function () {
            panel.showMessage("warning", t("Another account than before granted the consent. It takes effect once you confirm it."));
        };

        /* showUpdated shows that a consent has taken effect, with the answer of redeem. */
        const showUpdated = function (answer) {
            panel.showMessage("info", t("Your refresh token has been successfully updated"));
            if (answer.status) {
                showStatus(answer.status);
            }
            loadHistory();
        };

        const showConsentError = function (error) { panel.showMessage("error", failures.consentErrorMessage(t, error)); };

        /* clear removes what earlier presses have said. */
        const clear = function () {
            panel.clearMessage();
            setText("result", "");
            setText("copyResult", "");
        };

        /* act runs an operation of the status group that answers with the new status. done returns the text that appears
           beside the buttons. */
        const act = function (call, done) {
            clear();
            busy(["check", "renew", "forget"], true);
            call().then(whileOpen(function (s) {
                showStatus(s);
                setText("result", done(s));
                loadHistory();
            }), whileOpen(function (error) {
                setText("result", failures.errorMessage(t, error));
                reload();
            }));
        };

        const blockedText = function (reference) {
            return failures.withReference(t, t("The browser blocked the new window. Open the Microsoft sign-in page with the link below the button."), reference);
        };

        const consentEvents = {
            waiting: function (s) {
                const text = function () {
                    if (s.progress === "answered") {
                        return t("Microsoft has answered. The consent is being checked.");
                    }
                    if (s.manual) {
                        return t("Waiting for the consent. The window couldn't be linked to this panel, so it shows an authentication code after the sign-in. Enter the code under Manual Update.");
                    }
                    if (s.blocked) {
                        return t("Waiting for the consent.");
                    }
                    if (s.link) {
                        return t("Waiting for the consent. If the window was closed, open the sign-in page again.");
                    }
                    return t("Waiting for the consent. Finish the sign-in in the new window; the result appears here by itself.");
                };
                const said = (s.blocked ? blockedText(s.reference) + " " : "") + text();
                if (s.link) {
                    showProgress(said, t("Open the Microsoft sign-in page"), s.url);
                } else {
                    showProgress(said);
                }
            },
            interrupted: function (reference) {
                showProgress(failures.withReference(t, t("Waiting for the consent. The connector cannot be reached at the moment; it is asked again by itself."), reference));
            },
            ended: function (outcome) {
                showProgress("");
                if (outcome.status === "succeeded") {
                    panel.showMessage("info", t("Your refresh token has been successfully updated"));
                } else if (outcome.status === "confirmable") {
                    showUnconfirmed();
                } else if (outcome.status === "claimable") {
                    panel.showMessage("warning", t("The consent was granted. It takes effect once you enter the authentication code, which the window shows, under Manual Update."));
                } else if (outcome.failure) {
                    panel.showMessage("error", failures.consentMessage(t, outcome.failure));
                } else {
                    panel.showMessage("error", failures.withReference(t, t("The sign-in was not completed in time. Start again."), outcome.reference));
                }
                dom.restoreFocus(widget(outcome.status === "claimable" ? "code" : "update"));
                reload();
            },
            lost: function (error) {
                showProgress("");
                showConsentError(error);
                reload();
            }
        };

        /* beginConsent must be called within a click event. */
        const beginConsent = function () {
            clear();
            showProgress("");
            busy(["update"], true);
            const settings = {
                title: t("Please wait"), text: t("Please wait, the Microsoft sign-in page is being opened."), startURL: startURL, now: now()
            };
            consent.begin(settings, function (error) {
                busy(["update"], false);
                if (error) {
                    whileOpen(showConsentError)(error);
                }
            });
        };

        const handlers = {
            update: function () {
                if (!consent.began()) {
                    beginConsent();
                    return;
                }
                confirm({
                    title: t("Update Refresh Token"),
                    description: t("A sign-in that was started on __time__ is still open. Go on with it, or start another one? The first one that succeeds counts.", { time: words.time(consent.began()) }),
                    submitLabel: t("Start Again"),
                    cancelLabel: t("Go On")
                }).then(whileOpen(function (again) {
                    if (again === true) {
                        beginConsent();
                    } else {
                        consent.goOn();
                    }
                }));
            },
            copy: function () {
                clear();
                dom.copy(link, widget("link"), function (copied) {
                    setText("copyResult", copied ? t("The URL has been copied.") : t("The browser did not allow copying. Select the URL and copy it by hand."));
                });
            },
            redeem: function () {
                const code = String(widget("code").get("value") || "").trim();
                clear();
                if (!code) {
                    showCodeError(t("Enter the authentication code."));
                    return;
                }
                showCodeError("");
                busy(["redeem"], true);
                operations.redeem(code).then(whileOpen(function (answer) {
                    setText("code", "");
                    showUpdated(answer);
                    loadLink();
                }), whileOpen(function (error) {
                    const failure = failures.read(error).failure;
                    if (failure && failure.code === "confirmation_waiting") {
                        setText("code", ""); // it is used up
                        showUnconfirmed();
                        loadLink();
                    } else if (failure && codeFailures.indexOf(failure.code) >= 0) {
                        showCodeError(failures.messageOf(t, failure));
                    } else {
                        showConsentError(error);
                    }
                    reload();
                })).always(function () { busy(["redeem"], false); });
            },
            confirm: function () {
                clear();
                busy(["confirm"], true);
                operations.redeem(unconfirmed).then(whileOpen(function (answer) {
                    showUpdated(answer);
                    dom.restoreFocus(widget("update")); // the button that had the focus is now hidden
                }), whileOpen(function (error) {
                    showConsentError(error);
                    reload();
                })).always(function () { busy(["confirm"], false); });
            },
            check: function () {
                act(operations.check, function () { return t("The token has been checked."); });
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
            forget: function () {
                confirm({
                    title: t("Forget Token"),
                    description: t("The connector destroys its copies of the refresh token, and Azure subscriptions can no longer be managed until a new consent is granted. Nothing is revoked at Microsoft: to do that, remove the consent of the application in the directory or revoke the sessions of the account."),
                    submitLabel: t("Forget Token"),
                    cancelLabel: t("Cancel")
                }).then(whileOpen(function (yes) {
                    if (yes === true) {
                        act(operations.forget, function () {
                            dom.restoreFocus(widget("update")); // the button that had the focus is now disabled
                            return t("The token has been forgotten.");
                        });
                    }
                }));
            }
        };

        const setTenant = function (tenant) {
            if (tenant.aps.id === tenantId) {
                return;
            }
            tenantId = tenant.aps.id;
            groups.showLoading(panel);
            operations = operationsOf(tenantId);
            consent = consentOf(operations, consentEvents, tenantId);
        };

        const prepareWidgets = function () {
            dom.readOnly(widget("link"));
            dom.oneTime(widget("code"));
            ["progress", "result", "copyResult"].forEach(function (name) { dom.live(widget(name), "polite"); });
            groups.announceReason(panel);
            dom.live(widget("codeError"), "assertive");
        };

        /* reloadIfVisible reads everything again after a person has returned to the screen from another window. */
        const reloadIfVisible = function () {
            if (!document.hidden) {
                reload();
            }
        };

        return {
            tree: function () { return widgets(panel, handlers); },

            show: function () {
                const chosen = operationsOf.choose(panel.vars().tenant, panel.subscription());
                clearTimeout(timer);
                prepareWidgets();
                showGroups(Boolean(chosen.tenant));
                if (!chosen.tenant) {
                    setText("note", t("This account has no Azure Partner subscription, so there is no refresh token to manage. Subscribe to Azure Partner first, or ask your provider to do so."));
                    return null;
                }
                setText("note", chosen.several ? t("This account has more than one Azure Partner subscription; this screen shows the one of the current subscription, or else the first one.") : "");
                setTenant(chosen.tenant);
                if (!opened && panel.from() === "settings") {
                    dom.focus(widget("settings"));
                }
                opened = true;
                consent.resume();
                loadHistory();
                loadLink();
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
                if (consent) {
                    consent.pause();
                }
                setText("code", "");
                showCodeError("");
                clear();
            }
        };
    };
});
