/*
 * The two procedures of the screen "Manage Refresh Token", "Automatic Update" and "Manual Update", and the consents that wait for
 * a person. Each group has its widgets, and takes from the status what concerns it. lib/token describes screen.
 */
define(["aps/confirm", "app/lib/connector", "app/lib/consent", "app/lib/dom"], function (confirm, connector, consentOf, dom) {
    "use strict";

    const { failures, words } = connector;

    const whole = "md-12 xs-12";
    const countEvery = 10000;
    const buttons = ["update", "updateAgain"]; // the second one is for states in which another button is the primary one

    // Failures that concern the entered code; they are shown at its field.
    const codeFailures = [
        "bad_request", "address_incomplete", "claim_malformed", "claim_replaced", "claim_wrong", "claim_expired", "claim_locked", "nothing_to_claim",
        "code_used", "code_invalid", "state_used", "state_expired", "state_unknown"
    ];

    /* usual returns the errors that Microsoft's own page shows most often, which no program hears of: [what it says, what to
       do]. */
    const usual = function (t) {
        return [
            [t("AADSTS50011: the redirect URI doesn't match"), t("Whoever manages the app registration has to add this service's redirect URI to it, with the type Web and exactly as documented.")],
            [t("AADSTS700016: the application wasn't found"), t("Sign in with an account of the partner directory. If you did, check the application (client) ID in the settings.")],
            [t("AADSTS90094: an administrator must approve"), t("The account isn't a Global admin. Sign in with one that is.")],
            [t("AADSTS53003: blocked by Conditional Access"), t("Use a device and a network that the directory's policies allow, or ask an administrator of the directory to adjust the policy.")]
        ];
    };

    /* waitingValues returns the values of the texts about a consent that waits. */
    const waitingValues = function (t, waiting) {
        return {
            who: words.person(t, waiting.consentedBy),
            before: words.person(t, waiting.replaces),
            when: words.time(waiting.consentedAt),
            until: words.time(waiting.expiresAt)
        };
    };

    /* pending describes the consent that waits for its authentication code; empty if there is none. One with an id waits
       for confirmation instead. */
    const pending = function (t, s) {
        if (!s.pending || s.pending.id) {
            return "";
        }
        const values = waitingValues(t, s.pending);
        return t("__who__ granted the consent on __when__. It takes effect when the authentication code is entered under Manual Update, until __until__.", values);
    };

    /* replaces says for the authentication code whose token the consent replaces; empty if that is the same person's. */
    const replaces = function (t, s) {
        if (!s.pending || s.pending.id || !s.pending.replaces) {
            return "";
        }
        return t("__who__ granted the consent on __when__, but the token in use is from __before__. Update replaces that token.", waitingValues(t, s.pending));
    };

    /* unconfirmed describes the consent that waits for the confirmation that another person gave it; empty if there is
       none. */
    const unconfirmed = function (t, s) {
        if (!s.waiting || !s.waiting.id) {
            return "";
        }
        return t("__who__ granted a consent on __when__, but the token in use is from __before__. Confirm the consent to replace that token. Otherwise, it is discarded on __until__.", waitingValues(t, s.waiting));
    };

    /* linkProgress says what has become of the link that works, and who consented; either may be null. */
    const linkProgress = function (t, link, pending) {
        const granted = link && link.consentedAt ? link : pending && !pending.id ? pending : null;
        if (granted) {
            return t("__who__ granted the consent on __when__.", { who: words.person(t, granted.consentedBy), when: words.time(granted.consentedAt) });
        }
        if (!link) {
            return t("Nothing to wait for yet. Once there's a link, this shows when it was opened and who consented.");
        }
        if (link.openedAt) {
            return t("Opened on __time__. The consent has not been granted yet.", { time: words.time(link.openedAt) });
        }
        return t("Not opened yet, as far as the connector can tell.");
    };

    /* automatic is the group "Automatic Update". */
    const automatic = function (panel, screen) {
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
            const explain = whileOpen(function (error) { showProgress(failures.consentErrorMessage(t, error)); });
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
            prepare: function () { dom.details(widget("help"), t("Microsoft shows an error?"), usual(t)); },

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
                showProgress("");
                if (consent) {
                    consent.pause();
                }
            },
            resume: function () { consent.resume(); }
        };
    };

    /* manual is the group "Manual Update": the link for the administrator, and the authentication code that comes back. Looking
       makes no link; Copy does. */
    const manual = function (panel, screen) {
        const t = panel.t;
        const widget = panel.byId;
        const whileOpen = screen.whileOpen;
        let link = null; // {url, expiresAt} of the link that works
        let making = false;

        /* mailOf returns the address that makes a mail program write to the administrator. */
        const mailOf = function (found) {
            const body = [
                t("Please open this link and sign in, with multifactor authentication, with an account of the partner directory that has the roles Global admin and Admin agent. Then press Accept."),
                found.url,
                t("The page then shows an authentication code. Please send it to me."),
                t("The link works until __time__.", { time: words.time(found.expiresAt) })
            ].join("\r\n\r\n");
            return ["mailto:?subject=", encodeURIComponent(t("Consent for Azure Partner (NCE)")), "&body=", encodeURIComponent(body)].join("");
        };

        const showProgress = function (pending) { screen.setText("linkProgress", linkProgress(t, link, pending)); };

        const showLink = function (found) {
            link = found;
            screen.setText("link", found.url);
            dom.link(widget("mail"), t("Compose Email"), mailOf(found));
            widget("linkHelp").set("visible", true);
            screen.setText("linkState", t("The URL works until __time__ (__left__). It may be opened more than once.", {
                time: words.time(found.expiresAt),
                left: words.remaining(t, found.expiresAt, found.now || screen.now())
            }));
        };

        const showNoLink = function (why) {
            link = null;
            widget("linkHelp").set("visible", false);
            screen.setText("link", "");
            screen.setText("linkState", why);
            dom.link(widget("mail"), "", "");
        };

        const isOver = function () { return new Date(link.expiresAt) <= screen.now(); };

        /* showNone shows that no link works, and what has become of the one that was shown. */
        const showNone = function () {
            if (link) {
                showNoLink(isOver() ? t("The link has expired. Copy creates a new one.") : t("The link no longer works. Copy creates a new one."));
            } else if (!widget("linkState").get("value")) {
                showNoLink(t("There's no link yet. Copy creates one and copies it."));
            }
        };

        const showUsed = function () {
            showNoLink(t("The link has been used. Copy creates a new one."));
            showProgress(null);
        };

        const showCodeError = function (text) {
            screen.setText("codeError", text);
            if (text) {
                dom.focus(widget("code"));
            }
            dom.invalid(widget("code"), text ? widget("codeError") : null);
        };

        const showCopied = function (copied) {
            screen.setText("copyResult", copied ? t("Copied") : t("The browser didn't allow copying. Select the URL and copy it manually."));
        };

        /* make returns the promise of the address of a link, and shows the link once it is there. */
        const make = function () {
            const show = whileOpen(function (made) {
                showLink(made);
                showProgress(null);
            });
            const explain = whileOpen(function (error) { screen.setText("copyResult", failures.errorMessage(t, error)); });
            making = true;
            return screen.operations().consentLink().then(function (made) {
                making = false;
                show(made);
                return made.url;
            }, function (error) {
                making = false;
                explain(error);
                throw error;
            });
        };

        const copy = function () {
            if (!making) {
                screen.clear();
                dom.copy(link && !isOver() ? link.url : make(), widget("link"), whileOpen(showCopied));
            }
        };

        const refuse = function (error) {
            const failure = failures.read(error).failure;
            if (failure && failure.code === "confirmation_waiting") {
                screen.setText("code", ""); // it is used up
                screen.showUnconfirmed();
            } else if (failure && codeFailures.indexOf(failure.code) >= 0) {
                showCodeError(failures.messageOf(t, failure));
            } else {
                screen.setText("codeError", failures.consentErrorMessage(t, error)); // it says nothing against the code
            }
            screen.reload();
        };

        const redeem = function () {
            const code = String(widget("code").get("value") || "").trim();
            screen.clear();
            if (!code) {
                showCodeError(t("Enter the authentication code."));
                return;
            }
            showCodeError("");
            screen.busy(["redeem"], true);
            const ended = screen.operate();
            screen.operations().redeem(code).then(ended(function (answer) {
                screen.setText("code", "");
                showUsed();
                screen.showUpdated(answer);
            }), ended(refuse)).always(function () { screen.busy(["redeem"], false); });
        };

        const sendStep = function () {
            return ["aps/FieldSet", { title: t("Step 1: Send the Link"), gridSize: whole }, [
                ["aps/Output", {
                    gridSize: whole,
                    value: t("Copy the URL and send it to that person, who signs in and presses Accept. Then enter the authentication code that you get back.")
                }],
                ["aps/TextBox", { id: panel.id("link"), label: t("URL"), gridSize: whole, value: "" }],
                ["aps/Container", { id: panel.id("copyRow") }, [
                    ["aps/Button", { id: panel.id("copy"), label: t("Copy"), autoBusy: false, onClick: copy }],
                    ["aps/Output", { id: panel.id("copyResult"), value: "" }],
                    ["aps/Output", { id: panel.id("mail"), value: "" }]
                ]],
                ["aps/Output", { id: panel.id("linkState"), gridSize: whole, value: "" }]
            ]];
        };

        const waitStep = function () {
            return ["aps/FieldSet", { title: t("Step 2: Wait for the Consent"), gridSize: whole }, [
                ["aps/Output", { id: panel.id("linkProgress"), gridSize: whole, value: "" }],
                ["aps/Container", { id: panel.id("linkHelp"), visible: false }]
            ]];
        };

        const codeStep = function () {
            return ["aps/FieldSet", { title: t("Step 3: Enter the Authentication Code"), gridSize: whole }, [
                ["aps/Output", { id: panel.id("pendingText"), gridSize: whole, value: "" }],
                ["aps/Output", { id: panel.id("replaces"), gridSize: whole, value: "" }],
                ["aps/TextBox", {
                    id: panel.id("code"),
                    label: t("Authentication Code"),
                    gridSize: whole,
                    value: "",
                    placeHolder: "XXXX-XXXX-XXXX",
                    hint: t("You can also enter the whole address of the page that Microsoft opened.")
                }],
                ["aps/Button", { id: panel.id("redeem"), label: t("Update"), autoBusy: false, onClick: redeem }],
                ["aps/Output", { id: panel.id("codeError"), gridSize: whole, value: "" }]
            ]];
        };

        return {
            tree: function () {
                return ["aps/Tile", { id: panel.id("manual"), title: t("Manual Update"), gridSize: "md-6 xs-12" }, [
                    ["aps/Output", { gridSize: whole, value: t("Use this if someone else administers the partner account at Microsoft.") }],
                    ["aps/Container", { id: panel.id("manualBody"), visible: false }, [sendStep(), waitStep(), codeStep()]]
                ]];
            },

            /* show takes the link from the status; an answer of another operation does not have it. */
            show: function (s) {
                screen.setText("pendingText", pending(t, s));
                screen.setText("replaces", replaces(t, s));
                if (s.consents && s.consents.link) {
                    showLink(s.consents.link);
                } else if (s.consents && !making) {
                    showNone();
                }
                showProgress(s.pending);
            },

            /* prepare completes the widgets when they are on the page. */
            prepare: function () {
                dom.readOnly(widget("link"));
                dom.row(widget("copyRow"));
                dom.oneTime(widget("code"));
                dom.grouped(widget("code"));
                dom.details(widget("linkHelp"), t("Microsoft shows an error?"), usual(t));
                dom.live(widget("copyResult"), "polite");
                dom.live(widget("codeError"), "assertive");
            },

            /* hide clears what nobody should find on return. */
            hide: function () {
                screen.setText("code", "");
                showCodeError("");
            }
        };
    };

    return { automatic: automatic, manual: manual, pending: pending, unconfirmed: unconfirmed };
});
