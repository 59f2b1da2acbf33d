/*
 * The widgets of the screen "Manage Refresh Token". It uses only widgets and properties that are known from real
 * packages (aps-ui.md §2.3). id makes an id that is unique in the application, t translates, do holds the handlers.
 */
define(["aps/Status", "app/lib/words", "app/lib/status"], function (Status, words, status) {
    "use strict";

    const third = "md-4 xs-12";
    const whole = "md-12 xs-12";

    const statusGroup = function (id, t, on) {
        const field = function (name, label) {
            return ["aps/Output", { id: id(name), label: label, gridSize: third, value: "" }];
        };
        const button = function (name, title, onClick) {
            return { id: id(name), title: title, autoBusy: false, disabled: true, onClick: onClick };
        };
        return ["aps/Tiles", { id: id("tiles") }, [
            ["aps/Tile", {
                id: id("status"),
                title: t("Token Status"),
                gridSize: whole,
                info: new Status({ id: id("state"), gridSize: "md-12", statusInfo: words.states(t) }),
                buttons: [
                    button("check", t("Check Now"), on.check),
                    button("renew", t("Renew Now"), on.renew),
                    button("forget", t("Forget Token"), on.forget)
                ]
            }, [
                ["aps/Container", { class: "row" }, [
                    ["aps/FieldSet", { gridSize: whole }, [
                        ["aps/Output", { id: id("reason"), gridSize: whole, value: "" }],
                        ["aps/Output", { id: id("advice"), gridSize: whole, value: "" }]
                    ]],
                    ["aps/FieldSet", { gridSize: whole }, [
                        field("validUntil", t("Valid Until")),
                        field("lastRenewal", t("Last Renewal")),
                        field("nextRenewal", t("Next Renewal")),
                        field("directory", t("Directory")),
                        field("application", t("Application (Client) ID")),
                        field("secretEnd", t("End of the Client Secret")),
                        field("consentedBy", t("Consented By")),
                        field("askedBy", t("Asked For By")),
                        field("mfa", t("Multi-Factor Authentication"))
                    ].concat(status.apis.map(function (api) {
                        return field(api, words.api(t, api));
                    })).concat([
                        ["aps/Output", { id: id("roles"), label: t("Roles of the Account"), gridSize: whole, value: "" }]
                    ])]
                ]]
            ]],
            ["aps/Tile", { id: id("pending"), title: t("Consent Waiting"), gridSize: whole, visible: false }, [
                ["aps/FieldSet", { gridSize: whole }, [
                    ["aps/Output", { id: id("pendingText"), gridSize: whole, value: "" }]
                ]]
            ]]
        ]];
    };

    const automaticGroup = function (id, t, on) {
        return ["aps/Panel", { id: id("automatic"), title: t("Automatic Update") }, [
            ["aps/FieldSet", { gridSize: whole }, [
                ["aps/Output", {
                    gridSize: whole,
                    value: t("Use this if you administer the partner account at Microsoft. The Microsoft sign-in page opens in a new window: sign in as a user with the roles Global admin and Admin agent and with multi-factor authentication, then press Accept.")
                }],
                ["aps/Button", { id: id("update"), label: t("Update Refresh Token"), type: "primary", autoBusy: false, onClick: on.update }],
                ["aps/Output", { id: id("progress"), gridSize: whole, value: "" }]
            ]]
        ]];
    };

    const manualGroup = function (id, t, on) {
        return ["aps/Panel", { id: id("manual"), title: t("Manual Update") }, [
            ["aps/FieldSet", { gridSize: whole }, [
                ["aps/Output", {
                    gridSize: whole,
                    value: t("Use this if somebody else administers the partner account at Microsoft. Copy the URL and send it to that person, who signs in and presses Accept. Then enter the authentication code that you get back.")
                }],
                ["aps/TextBox", { id: id("link"), label: t("URL"), gridSize: "md-10 xs-12", value: "" }],
                ["aps/Button", { id: id("copy"), label: t("Copy"), autoBusy: false, disabled: true, onClick: on.copy }],
                ["aps/Output", { id: id("linkState"), gridSize: whole, value: "" }]
            ]],
            ["aps/FieldSet", { gridSize: whole }, [
                ["aps/TextBox", {
                    id: id("code"),
                    label: t("Authentication Code"),
                    gridSize: "md-6 xs-12",
                    value: "",
                    hint: t("The whole address of the page that Microsoft opened is accepted as well.")
                }],
                ["aps/Button", { id: id("redeem"), label: t("Update"), autoBusy: false, onClick: on.redeem }],
                ["aps/Output", { id: id("codeError"), gridSize: whole, value: "" }]
            ]]
        ]];
    };

    const history = function (id, t) {
        return ["aps/Grid", {
            id: id("history"),
            noDataText: t("Nothing has happened yet."),
            columns: [
                { name: t("When"), field: "at", sortable: false },
                { name: t("What"), field: "action", sortable: false },
                { name: t("Who"), field: "actor", sortable: false },
                { name: t("Result"), field: "result", sortable: false },
                { name: t("Reference"), field: "reference", sortable: false }
            ],
            rowsPerPage: 10,
            pageSizeOptions: [10, 25, 50]
        }];
    };

    return function (id, t, on) {
        return [
            ["aps/Output", { id: id("note"), value: "" }],
            statusGroup(id, t, on),
            automaticGroup(id, t, on),
            manualGroup(id, t, on),
            ["aps/Panel", { id: id("historyPanel"), title: t("History") }, [history(id, t)]]
        ];
    };
});
