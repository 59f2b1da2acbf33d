/*
 * The group "Manual Update" of the screen "Manage Refresh Token": the link for the administrator, and the authentication code
 * that comes back. Looking makes no link; Copy does. lib/token describes screen.
 */
define(["app/lib/failure", "app/lib/words", "app/lib/status", "app/lib/dom"], function (failures, words, status, dom) {
    "use strict";

    const whole = "md-12 xs-12";

    // Failures that concern the entered code; they are shown at its field.
    const codeFailures = [
        "bad_request", "address_incomplete", "claim_malformed", "claim_replaced", "claim_wrong", "claim_expired", "claim_locked", "nothing_to_claim",
        "code_used", "code_invalid", "state_used", "state_expired", "state_unknown"
    ];

    return function (panel, screen) {
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

        const showProgress = function (pending) { screen.setText("linkProgress", status.linkProgress(t, link, pending)); };

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
                screen.showConsentError(error);
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
            screen.operations().redeem(code).then(whileOpen(function (answer) {
                screen.setText("code", "");
                showUsed();
                screen.showUpdated(answer);
            }), whileOpen(refuse)).always(function () { screen.busy(["redeem"], false); });
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
                screen.setText("pendingText", status.pending(t, s));
                screen.setText("replaces", status.replaces(t, s));
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
                dom.details(widget("linkHelp"), t("Microsoft shows an error?"), failures.usual(t));
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
});
