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
    // Failures that are about what was entered; they are shown at the field.
    const aboutTheCode = ["bad_request", "claim_malformed", "claim_wrong", "claim_expired", "claim_locked", "nothing_to_claim", "code_used", "code_invalid", "state_used", "state_expired", "state_unknown"];

    return function (panel) {
        const t = panel.t;
        const widget = panel.byId;
        const visits = operationsOf.visits();
        const still = visits.still;
        let operations = null;
        let consent = null;
        let tenantId = "";
        let offset = 0; // what the connector's clock is ahead of this browser's, in milliseconds
        let timer = 0;
        let link = "";
        let stateOnly = false; // whether only the state is visible, as to an account above the reseller's
        let arrived = false;

        const now = function () { return Date.now() + offset; };

        const disable = dom.disabler();
        const busy = function (names, is) { disable(names.map(widget), is); };

        const showGroups = function (are) {
            widget("tiles").set("visible", are);
            ["automatic", "manual", "historyPanel", "check", "renew", "forget", "settings"].forEach(function (name) {
                widget(name).set("visible", are && !stateOnly);
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

        const showStatus = function (s) {
            offset = new Date(s.now || Date.now()) - Date.now();
            groups.showStatus(panel, s);
            stateOnly = status.stateOnly(s);
            showGroups(true);
            setText("pendingText", status.pending(t, s));
            widget("pending").set("visible", Boolean(s.pending));
            busy(["check", "renew"], !s.expiresAt);
            busy(["forget"], !s.expiresAt && !s.pending);
        };

        const showLink = function (made) {
            link = made.url;
            setText("link", made.url);
            setText("linkState", t("The URL works until __time__ (__left__). It may be opened more than once.", {
                time: words.time(made.expiresAt),
                left: words.remaining(t, made.expiresAt, now())
            }));
            busy(["copy"], false);
        };

        const showNoLink = function (error) {
            link = "";
            setText("link", "");
            setText("linkState", failures.errorMessage(t, error));
            busy(["copy"], true);
        };

        const loadStatus = function () {
            return operations.tokenStatus().then(still(showStatus), still(function (error) { groups.showUnknown(panel, error); }));
        };

        const loadHistory = function () {
            return operations.history(historyLength).then(still(function (events) {
                groups.showHistory(panel, events || []);
            }), still(function () { groups.showHistory(panel, null); }));
        };

        const loadLink = function () {
            return operations.consentLink().then(still(showLink), still(showNoLink));
        };

        const reload = function () {
            loadStatus();
            loadHistory();
        };

        const refresh = function () {
            timer = setTimeout(still(function () {
                if (!document.hidden) {
                    loadStatus();
                }
                refresh();
            }), refreshEvery);
        };

        const complain = function (error) { panel.showMessage("error", failures.errorMessage(t, error)); };
        const complainOfConsent = function (error) { panel.showMessage("error", failures.consentErrorMessage(t, error)); };

        /* act runs an operation of the status group that answers with the new status. */
        const act = function (call, done) {
            panel.clearMessage();
            busy(["check", "renew", "forget"], true);
            call().then(still(function (s) {
                showStatus(s);
                done(s);
                loadHistory();
            }), still(function (error) {
                complain(error);
                reload();
            }));
        };

        const consentEvents = {
            waiting: function (begun) {
                if (begun.blocked) {
                    panel.showMessage("warning", failures.referred(t, t("The browser blocked the new window. Open the Microsoft sign-in page with the link below the button."), begun.reference));
                    showProgress(t("Waiting for the consent."), t("Open the Microsoft sign-in page"), begun.url);
                    return;
                }
                showProgress(t("Waiting for the consent. Finish the sign-in in the new window; the result appears here by itself."));
            },
            closed: function (reference) {
                showProgress(failures.referred(t, t("The window was closed. If the consent was granted, the result appears here in a moment; otherwise press Update Refresh Token to start again."), reference));
            },
            interrupted: function (reference) {
                showProgress(failures.referred(t, t("Waiting for the consent. The connector cannot be reached at the moment; it is asked again by itself."), reference));
            },
            ended: function (outcome) {
                showProgress("");
                if (outcome.status === "succeeded") {
                    panel.showMessage("info", t("Your refresh token has been successfully updated"));
                } else if (outcome.failure) {
                    panel.showMessage("error", failures.consentMessage(t, outcome.failure));
                } else {
                    panel.showMessage("error", failures.referred(t, t("The sign-in was not completed in time. Start again."), outcome.reference));
                }
                dom.giveBack(widget("update"));
                reload();
            },
            lost: function (error) {
                showProgress("");
                complainOfConsent(error);
                reload();
            }
        };

        const on = {
            update: function () {
                const w = consent.open(t("Please wait"), t("Please wait, the Microsoft sign-in page is being opened."));
                panel.clearMessage();
                showProgress("");
                busy(["update"], true);
                consent.begin(w, now()).otherwise(still(complainOfConsent)).always(function () { busy(["update"], false); });
            },
            copy: function () {
                dom.copy(link, widget("link"), function (copied) {
                    if (copied) {
                        panel.showMessage("info", t("The URL has been copied."));
                    } else {
                        panel.showMessage("warning", t("The browser did not allow copying. Select the URL and copy it by hand."));
                    }
                });
            },
            redeem: function () {
                const code = String(widget("code").get("value") || "").trim();
                panel.clearMessage();
                if (!code) {
                    showCodeError(t("Enter the authentication code."));
                    return;
                }
                showCodeError("");
                busy(["redeem"], true);
                operations.redeem(code).then(still(function (answer) {
                    setText("code", "");
                    panel.showMessage("info", t("Your refresh token has been successfully updated"));
                    if (answer.status) {
                        showStatus(answer.status);
                    }
                    loadHistory();
                    loadLink();
                }), still(function (error) {
                    const failure = failures.read(error).failure;
                    if (failure && aboutTheCode.indexOf(failure.code) >= 0) {
                        showCodeError(failures.messageOf(t, failure));
                    } else {
                        complainOfConsent(error);
                    }
                    reload();
                })).always(function () { busy(["redeem"], false); });
            },
            check: function () {
                act(operations.check, function () { panel.showMessage("info", t("The token has been checked.")); });
            },
            renew: function () {
                act(operations.renew, function (s) {
                    if (s.lastRenewal && s.lastRenewal.ok) {
                        panel.showMessage("info", t("The refresh token has been renewed."));
                    } else if (s.failure) {
                        panel.showMessage("error", failures.messageOf(t, s.failure));
                    }
                });
            },
            settings: function () { panel.open("settings", "token"); },
            forget: function () {
                confirm({
                    title: t("Forget Token"),
                    description: t("The connector destroys its copies of the refresh token, and Azure subscriptions can no longer be managed until a new consent is granted. Nothing is revoked at Microsoft: to do that, remove the consent of the application in the directory or revoke the sessions of the account."),
                    submitLabel: t("Forget Token"),
                    cancelLabel: t("Cancel")
                }).then(still(function (yes) {
                    if (yes === true) {
                        act(operations.forget, function () {
                            panel.showMessage("info", t("The token has been forgotten."));
                            dom.giveBack(widget("update")); // there is nothing left to forget
                        });
                    }
                }));
            }
        };

        const adopt = function (tenant) {
            if (tenant.aps.id === tenantId) {
                return;
            }
            tenantId = tenant.aps.id;
            groups.showLoading(panel);
            operations = operationsOf(tenantId);
            consent = consentOf(operations, consentEvents);
        };

        const decorate = function () {
            dom.readOnly(widget("link"));
            dom.oneTime(widget("code"));
            dom.live(widget("progress"), "polite");
            groups.listen(panel);
            dom.live(widget("codeError"), "assertive");
        };

        /* seen reads everything again when a person comes back to the screen from another window. */
        const seen = function () {
            if (!document.hidden) {
                reload();
            }
        };

        return {
            tree: function () { return widgets(panel, on); },

            show: function () {
                const chosen = operationsOf.choose(panel.vars().tenant, panel.subscription());
                clearTimeout(timer);
                decorate();
                showGroups(Boolean(chosen.tenant));
                if (!chosen.tenant) {
                    setText("note", t("This account has no Azure Partner subscription, so there is no refresh token to manage. Subscribe to Azure Partner first, or ask your provider to do so."));
                    return null;
                }
                setText("note", chosen.several ? t("This account has more than one Azure Partner subscription; this screen shows the one of the current subscription, or else the first one.") : "");
                adopt(chosen.tenant);
                if (!arrived && panel.from() === "settings") {
                    dom.focus(widget("settings"));
                }
                arrived = true;
                consent.resume();
                loadHistory();
                loadLink();
                refresh();
                document.addEventListener("visibilitychange", seen);
                return loadStatus();
            },

            /* hide stops all timers and drops what was entered. */
            hide: function () {
                arrived = false;
                visits.end();
                clearTimeout(timer);
                document.removeEventListener("visibilitychange", seen);
                if (consent) {
                    consent.pause();
                }
                setText("code", "");
                showCodeError("");
                panel.clearMessage();
            }
        };
    };
});
