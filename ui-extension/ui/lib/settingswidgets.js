/*
 * The widgets of the screen "Settings". It uses only widgets and properties that real packages use, too
 * (docs/reference/aps-ui.md §2.3). lib/ux1 describes panel.
 */
define([], function () {
    "use strict";

    const whole = "md-12 xs-12";
    const half = "md-6 xs-12";

    const field = function (panel, name, label, size, hint) {
        return ["aps/TextBox", { id: panel.id(name), label: label, gridSize: size, value: "", hint: hint || "" }];
    };

    const fault = function (panel, name) {
        return ["aps/Output", { id: panel.id(name + "Error"), gridSize: whole, value: "" }];
    };

    /* removal is the button that removes a stored credential, with the result beside it. */
    const removal = function (panel, name, title, remove) {
        return [
            ["aps/Button", { id: panel.id(name + "Remove"), label: title, autoBusy: false, disabled: true, onClick: function () { remove(name, title); } }],
            ["aps/Output", { id: panel.id(name + "Removed"), gridSize: whole, value: "" }]
        ];
    };

    const secret = function (panel, name, label, endLabel, removeLabel, remove) {
        const t = panel.t;
        return ["aps/FieldSet", { gridSize: whole }, [
            field(panel, name, label, half, t("Value of the secret, not its ID. Leave empty to keep what is stored.")),
            field(panel, name + "End", endLabel, half, t("For example, 2027-11-23 (optional)")),
            fault(panel, name),
            fault(panel, name + "End")
        ].concat(removal(panel, name, removeLabel, remove))];
    };

    const certificate = function (panel, name, label, endLabel, removeLabel, remove) {
        const t = panel.t;
        return [
            ["aps/TextArea", {
                id: panel.id(name),
                label: label,
                gridSize: whole,
                value: "",
                hint: t("Instead of a secret: the certificate and its unencrypted RSA private key in PEM format. Leave empty to keep what is stored.")
            }],
            fault(panel, name),
            ["aps/Output", { id: panel.id(name + "End"), label: endLabel, gridSize: whole, value: "" }]
        ].concat(removal(panel, name, removeLabel, remove));
    };

    /* trial is the button that tries the credentials at Microsoft before they are saved, with the result beside it. */
    const trial = function (panel, test) {
        const t = panel.t;
        return ["aps/FieldSet", { id: panel.id("trial"), gridSize: whole, visible: false }, [
            ["aps/Button", { id: panel.id("test"), label: t("Test Credentials"), autoBusy: false, onClick: test }],
            ["aps/Output", { id: panel.id("testResult"), gridSize: whole, value: "" }],
            ["aps/Output", { gridSize: whole, value: t("Asks Microsoft whether it accepts these credentials. Nothing is saved.") }]
        ]];
    };

    /* list is a table. columns are pairs of a title and a field. */
    const list = function (panel, name, empty, columns) {
        return ["aps/Grid", {
            id: panel.id(name),
            noDataText: empty,
            columns: columns.map(function (column) { return { name: column[0], field: column[1], sortable: false }; }),
            rowsPerPage: 10,
            pageSizeOptions: [10, 25, 50]
        }];
    };

    /* borrowers are the lists of the applications and of the clients of the token API that may get access tokens. */
    const borrowers = function (panel) {
        const t = panel.t;
        return ["aps/Panel", { id: panel.id("borrowersPanel"), title: t("Who May Get Access Tokens"), visible: false }, [
            ["aps/FieldSet", { gridSize: whole }, [
                ["aps/Output", { gridSize: whole, value: t("Your provider allows these applications to get access tokens from your refresh token.") }]
            ]],
            list(panel, "borrowers", t("No application on this platform may get access tokens."), [
                [t("Application"), "name"], [t("Services"), "apis"], [t("Directories"), "directories"]
            ]),
            ["aps/FieldSet", { id: panel.id("clientsText"), gridSize: whole, visible: false }, [
                ["aps/Output", {
                    gridSize: whole,
                    value: t("Your provider allows these API clients to get access tokens from your refresh token or to have calls forwarded to Microsoft.")
                }]
            ]],
            list(panel, "clients", "", [
                [t("API Client"), "name"], [t("Access"), "operations"], [t("Services"), "apis"], [t("Directories"), "directories"], [t("Last Used"), "used"]
            ])
        ]];
    };

    return function (panel, remove, test) {
        const t = panel.t;
        return [
            ["aps/Output", { id: panel.id("note"), value: "" }],
            ["aps/Panel", { id: panel.id("directoryPanel"), title: t("Directory") }, [
                ["aps/FieldSet", { gridSize: whole }, [
                    field(panel, "directory", t("Directory (tenant) ID or domain"), whole, t("The partner directory at Microsoft: its ID or its onmicrosoft.com domain.")),
                    fault(panel, "directory")
                ]]
            ]],
            ["aps/Panel", { id: panel.id("noticesPanel"), title: t("Notices"), visible: false }, [
                ["aps/FieldSet", { gridSize: whole }, [
                    ["aps/TextArea", {
                        id: panel.id("noticeRecipients"),
                        label: t("Recipients of notices"),
                        gridSize: whole,
                        value: "",
                        hint: t("Up to five email addresses that receive warnings and alarms about the refresh token.")
                    }],
                    fault(panel, "noticeRecipients"),
                    field(panel, "noticeLanguage", t("Language of notices"), whole, t("de, en, es, fr, it, ja, nl, pt or ru. Empty means the provider's choice.")),
                    fault(panel, "noticeLanguage")
                ]]
            ]],
            ["aps/Panel", { id: panel.id("applicationPanel"), title: t("Your Own Application"), visible: false }, [
                ["aps/FieldSet", { gridSize: whole }, [
                    ["aps/Output", {
                        gridSize: whole,
                        value: t("Enter your own app registration at Microsoft here, or leave the application ID empty to use your provider's. The connector keeps secrets and never shows them again.")
                    }],
                    field(panel, "applicationId", t("Application (client) ID"), whole, t("On the overview page of the app registration.")),
                    fault(panel, "applicationId")
                ]],
                secret(panel, "applicationSecret", t("Client secret"), t("Client secret expires"), t("Remove Client Secret"), remove),
                secret(panel, "nextApplicationSecret", t("Next client secret"), t("Next client secret expires"), t("Remove Next Client Secret"), remove),
                ["aps/FieldSet", { gridSize: whole }, certificate(panel, "applicationCertificate", t("Certificate"), t("Certificate expires"), t("Remove Certificate"), remove)],
                ["aps/FieldSet", { gridSize: whole }, certificate(panel, "nextApplicationCertificate", t("Next certificate"), t("Next certificate expires"), t("Remove Next Certificate"), remove)],
                trial(panel, test)
            ]],
            ["aps/Panel", { id: panel.id("providerPanel"), title: t("Application"), visible: false }, [
                ["aps/FieldSet", { gridSize: whole }, [
                    ["aps/Output", { gridSize: whole, value: t("Your provider's application is used.") }],
                    ["aps/Output", { id: panel.id("providerApplication"), label: t("Application (Client) ID"), gridSize: whole, value: "" }]
                ]]
            ]],
            borrowers(panel)
        ];
    };
});
