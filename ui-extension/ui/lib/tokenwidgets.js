/*
 * The widgets of the screen "Manage Refresh Token". It uses only widgets and properties that real
 * packages use, too (docs/reference/aps-ui.md §2.3). lib/ux1 describes panel.
 */
define(["app/lib/groups"], function (groups) {
    "use strict";

    const whole = "md-12 xs-12";

    const statusGroup = function (panel, handlers) {
        const t = panel.t;
        const button = function (name, title, onClick) {
            return { id: panel.id(name), title: title, autoBusy: false, disabled: true, onClick: onClick };
        };
        return ["aps/Tiles", { id: panel.id("tiles") }, [
            ["aps/Tile", {
                id: panel.id("unconfirmed"),
                title: t("Consent to Confirm"),
                gridSize: whole,
                visible: false,
                buttons: [{ id: panel.id("confirm"), title: t("Confirm Consent"), autoBusy: false, onClick: handlers.confirm }]
            }, [
                ["aps/FieldSet", { gridSize: whole }, [
                    ["aps/Output", { id: panel.id("unconfirmedText"), gridSize: whole, value: "" }]
                ]]
            ]],
            groups.statusTile(panel, [
                button("check", t("Check Now"), handlers.check),
                button("renew", t("Renew Now"), handlers.renew),
                button("forget", t("Forget Token"), handlers.forget),
                { id: panel.id("settings"), title: t("Settings"), autoBusy: false, onClick: handlers.settings }
            ], [
                ["aps/Output", { id: panel.id("result"), gridSize: whole, value: "" }]
            ]),
            ["aps/Tile", { id: panel.id("pending"), title: t("Consent Waiting"), gridSize: whole, visible: false }, [
                ["aps/FieldSet", { gridSize: whole }, [
                    ["aps/Output", { id: panel.id("pendingText"), gridSize: whole, value: "" }]
                ]]
            ]]
        ]];
    };

    const automaticGroup = function (panel, handlers) {
        const t = panel.t;
        const id = panel.id;
        return ["aps/Panel", { id: id("automatic"), title: t("Automatic Update") }, [
            ["aps/FieldSet", { gridSize: whole }, [
                ["aps/Output", {
                    gridSize: whole,
                    value: t("Use this if you administer the partner account at Microsoft. The Microsoft sign-in page opens in a new window: sign in as a user with the roles Global admin and Admin agent and with multi-factor authentication, then press Accept.")
                }],
                ["aps/Button", { id: id("update"), label: t("Update Refresh Token"), type: "primary", autoBusy: false, onClick: handlers.update }],
                ["aps/Output", { id: id("progress"), gridSize: whole, value: "" }]
            ]]
        ]];
    };

    const manualGroup = function (panel, handlers) {
        const t = panel.t;
        const id = panel.id;
        return ["aps/Panel", { id: id("manual"), title: t("Manual Update") }, [
            ["aps/FieldSet", { gridSize: whole }, [
                ["aps/Output", {
                    gridSize: whole,
                    value: t("Use this if somebody else administers the partner account at Microsoft. Copy the URL and send it to that person, who signs in and presses Accept. Then enter the authentication code that you get back.")
                }],
                ["aps/TextBox", { id: id("link"), label: t("URL"), gridSize: "md-10 xs-12", value: "" }],
                ["aps/Button", { id: id("copy"), label: t("Copy"), autoBusy: false, disabled: true, onClick: handlers.copy }],
                ["aps/Output", { id: id("copyResult"), gridSize: whole, value: "" }],
                ["aps/Output", { id: id("linkState"), gridSize: whole, value: "" }]
            ]],
            ["aps/FieldSet", { gridSize: whole }, [
                ["aps/Output", { id: id("replaces"), gridSize: whole, value: "" }],
                ["aps/TextBox", {
                    id: id("code"),
                    label: t("Authentication Code"),
                    gridSize: "md-6 xs-12",
                    value: "",
                    hint: t("The whole address of the page that Microsoft opened is accepted as well.")
                }],
                ["aps/Button", { id: id("redeem"), label: t("Update"), autoBusy: false, onClick: handlers.redeem }],
                ["aps/Output", { id: id("codeError"), gridSize: whole, value: "" }]
            ]]
        ]];
    };

    return function (panel, handlers) {
        return [
            ["aps/Output", { id: panel.id("note"), value: "" }],
            statusGroup(panel, handlers),
            automaticGroup(panel, handlers),
            manualGroup(panel, handlers),
            ["aps/Panel", { id: panel.id("historyPanel"), title: panel.t("History") }, [groups.history(panel)]]
        ];
    };
});
