/*
 * The group "Automatic Update" of the screen "Manage Refresh Token", and the consent that waits for confirmation. lib/token
 * describes screen.
 */
define(["aps/confirm", "app/lib/failure", "app/lib/words", "app/lib/consent", "app/lib/dom"], function (confirm, failures, words, consentOf, dom) {
    "use strict";

    const whole = "md-12 xs-12";
    const countEvery = 10000;
    const buttons = ["update", "updateAgain"]; // the second one is for states in which another button is the primary one

    return function (panel, screen) {
        const t = panel.t;
        const widget = panel.byId;
        const whileOpen = screen.whileOpen;
        let consent = null;
        let startURL = ""; // the page that tells which browser we are open in; empty if there is none
        let button = "update"; // the one of the two buttons that is shown: the type of a button is fixed

        const showProgress = function (text, linkText, url) {
            screen.setText("progress", text);
            dom.link(widget("progress"), linkText || "", url || "");
        };

        let ticker = 0;

        /* showEnd shows until when the sign-in that is under way has to be finished, and what a person can do meanwhile; null when
           none is under way. */
        const showEnd = function (ends) {
            const left = Boolean(ends) && new Date(ends) > screen.now();
            clearTimeout(ticker);
            screen.setText("countdown", left ? t("The sign-in has to be finished by __time__ (__left__).", {
                time: words.time(ends),
                left: words.remaining(t, ends, screen.now())
            }) : "");
            widget("cancel").set("visible", Boolean(ends));
            if (left) {
                ticker = setTimeout(whileOpen(function () { showEnd(ends); }), countEvery);
            }
        };

        const waitingText = function (s) {
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
            return t("Waiting for the consent. Finish the sign-in in the new window. The result appears here automatically.");
        };

        const blockedText = function (reference) {
            return failures.withReference(t, t("The browser blocked the new window. Open the Microsoft sign-in page with the link below the button."), reference);
        };

        const showOutcome = function (outcome) {
            widget("help").set("visible", outcome.status === "failed");
            if (outcome.status === "succeeded") {
                panel.showMessage("info", t("Your refresh token has been successfully updated"));
            } else if (outcome.status === "confirmable") {
                screen.showUnconfirmed();
            } else if (outcome.status === "claimable") {
                panel.showMessage("warning", t("The consent was granted. It takes effect once you enter the authentication code, which the window shows, under Manual Update."));
            } else if (outcome.failure) {
                panel.showMessage("error", failures.consentMessage(t, outcome.failure));
            } else {
                panel.showMessage("error", failures.withReference(t, t("The sign-in wasn't completed in time. Start again."), outcome.reference));
            }
        };

        const events = {
            waiting: function (s) {
                screen.unfold();
                widget("help").set("visible", true);
                showEnd(s.ends);
                const said = (s.blocked ? blockedText(s.reference) + " " : "") + waitingText(s);
                if (s.link) {
                    showProgress(said, t("Open the Microsoft sign-in page"), s.url);
                } else {
                    showProgress(said);
                }
            },
            interrupted: function (reference) {
                showProgress(failures.withReference(t, t("Waiting for the consent. The connector can't be reached at the moment; we'll keep trying."), reference));
            },
            ended: function (outcome) {
                showProgress("");
                showEnd(null);
                showOutcome(outcome);
                if (!outcome.late) {
                    dom.restoreFocus(widget(outcome.status === "claimable" ? "code" : button));
                    screen.reload();
                }
            },
            lost: function (error) {
                showProgress("");
                showEnd(null);
                screen.showConsentError(error);
                screen.reload();
            }
        };

        /* begin must be called within a click event. */
        const begin = function () {
            screen.clear();
            showProgress("");
            showEnd(null);
            screen.busy(buttons, true);
            const settings = {
                title: t("Please wait"), text: t("Please wait, the Microsoft sign-in page is being opened."), startURL: startURL, now: screen.now()
            };
            const explain = whileOpen(screen.showConsentError);
            consent.begin(settings, function (error) {
                screen.busy(buttons, false);
                if (error) {
                    explain(error);
                }
            });
        };

        const update = function () {
            if (!consent.began()) {
                begin();
                return;
            }
            confirm({
                title: t("Update Refresh Token"),
                description: t("A sign-in that was started on __time__ is still open. Continue with it, or start another one? The first one that succeeds counts.", { time: words.time(consent.began()) }),
                submitLabel: t("Start Again"),
                cancelLabel: t("Continue")
            }).then(whileOpen(function (again) {
                if (again === true) {
                    begin();
                } else {
                    consent.goOn();
                }
            }));
        };

        const cancel = function () {
            consent.cancel();
            screen.clear();
            showEnd(null);
            showProgress(t("You're no longer waiting for this sign-in. If it's still finished in its window, the consent takes effect."));
            dom.focus(widget(button), true); // the button that had the focus is hidden
        };

        const updateButton = function (name, properties) {
            return ["aps/Button", Object.assign({ id: panel.id(name), label: t("Update Refresh Token"), autoBusy: false, onClick: update }, properties)];
        };

        return {
            tree: function () {
                return ["aps/Tile", { id: panel.id("automatic"), title: t("Automatic Update"), gridSize: "md-6 xs-12" }, [
                    ["aps/Output", { gridSize: whole, value: t("Use this if you administer the partner account at Microsoft.") }],
                    ["aps/FieldSet", { id: panel.id("automaticBody"), gridSize: whole, visible: false }, [
                        updateButton("update", { type: "primary" }),
                        updateButton("updateAgain", { visible: false }),
                        ["aps/Output", { id: panel.id("progress"), gridSize: whole, value: "" }],
                        ["aps/Output", { id: panel.id("countdown"), gridSize: whole, value: "" }],
                        ["aps/Button", { id: panel.id("cancel"), label: t("Cancel"), autoBusy: false, visible: false, onClick: cancel }],
                        ["aps/Container", { id: panel.id("help"), visible: false }],
                        ["aps/Output", {
                            gridSize: whole,
                            value: t("The Microsoft sign-in page opens in a new window: sign in, with multifactor authentication, as a user with the roles Global admin and Admin agent, then press Accept.")
                        }]
                    ]]
                ]];
            },

            /* prepare completes the widgets when they are on the page. */
            prepare: function () { dom.details(widget("help"), t("Microsoft shows an error?"), failures.usual(t)); },

            /* show takes from the status what begins a consent, and which one is under way. */
            show: function (s) {
                startURL = s.onboardingURL || "";
                if (s.consents) {
                    consent.adopt(s.consents.automatic, s.now);
                }
            },

            /* setPrimary says whether the button is the primary one of the screen. The focus goes along. */
            setPrimary: function (is) {
                const before = widget(button).domNode;
                const focused = before.contains(before.ownerDocument.activeElement);
                button = buttons[is ? 0 : 1];
                buttons.forEach(function (name) { widget(name).set("visible", name === button); });
                if (focused) {
                    dom.focus(widget(button), true);
                }
            },

            /* focus focuses the button if nothing has the focus. */
            focus: function () { dom.restoreFocus(widget(button)); },

            setTenant: function (operations, tenantId) { consent = consentOf(operations, events, tenantId); },

            /* pause stops polling while the screen is not open, and resume goes on. */
            pause: function () {
                clearTimeout(ticker);
                if (consent) {
                    consent.pause();
                }
            },
            resume: function () { consent.resume(); }
        };
    };
});
