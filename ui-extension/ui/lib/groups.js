/*
 * The two groups that several screens have: the status of a token and its history. They use only widgets and properties
 * that real packages use, too (docs/reference/aps-ui.md §2.3). lib/ux1 describes panel.
 */
define([
    "aps/Status",
    "aps/Memory",
    "app/lib/failure",
    "app/lib/words",
    "app/lib/status",
    "app/lib/dom"
], function (Status, Memory, failures, words, status, dom) {
    "use strict";

    const whole = "md-12 xs-12";

    const field = function (panel, name, label) {
        return ["aps/Output", { id: panel.id(name), label: label, gridSize: "md-4 xs-12", value: "" }];
    };

    const fields = function (panel) {
        const t = panel.t;
        return [
            field(panel, "validUntil", t("Valid Until")),
            field(panel, "lastRenewal", t("Last Renewal")),
            field(panel, "nextRenewal", t("Next Renewal")),
            field(panel, "directory", t("Directory")),
            field(panel, "application", t("Application (Client) ID")),
            field(panel, "secretEnd", t("End of the Credentials")),
            field(panel, "consentedBy", t("Consented By")),
            field(panel, "askedBy", t("Asked For By")),
            field(panel, "mfa", t("Multi-Factor Authentication"))
        ].concat(status.apis.map(function (api) {
            return field(panel, api, words.api(t, api));
        })).concat([
            ["aps/Output", { id: panel.id("further"), label: t("Further Services"), gridSize: whole, value: "", visible: false }],
            ["aps/Output", { id: panel.id("roles"), label: t("Roles of the Account"), gridSize: whole, value: "" }]
        ]);
    };

    return {
        /* statusTile returns the tile of the status with the given buttons, and the given widgets directly before them. */
        statusTile: function (panel, buttons, before) {
            const t = panel.t;
            return ["aps/Tile", {
                id: panel.id("status"),
                title: t("Token Status"),
                gridSize: whole,
                info: new Status({ id: panel.id("state"), gridSize: "md-12", statusInfo: words.states(t) }),
                buttons: buttons
            }, [
                ["aps/Container", { class: "row" }, [
                    ["aps/FieldSet", { gridSize: whole }, [
                        ["aps/Output", { id: panel.id("reason"), gridSize: whole, value: "" }],
                        ["aps/Output", { id: panel.id("advice"), gridSize: whole, value: "" }]
                    ]],
                    ["aps/FieldSet", { gridSize: whole }, fields(panel).concat(before || [])]
                ]]
            ]];
        },

        /* announceReason makes screen readers announce changes of the reason. Call it when the widgets are on the page. */
        announceReason: function (panel) { dom.live(panel.byId("reason"), "polite"); },

        /* showStatus fills the tile; showLoading and showUnknown show that there is no status yet, or why it is unknown. */
        showStatus: function (panel, s) {
            panel.byId("state").set("status", s.state);
            panel.byId("reason").set("value", status.reason(panel.t, s));
            panel.byId("advice").set("value", status.advice(panel.t, s));
            const texts = status.stateOnly(s) ? {} : status.fields(panel.t, s);
            status.names.forEach(function (name) {
                panel.byId(name).set("visible", name in texts);
                panel.byId(name).set("value", texts[name] || "");
            });
        },
        showLoading: function (panel) { panel.byId("state").set("status", "loading"); },
        showUnknown: function (panel, error) {
            panel.byId("state").set("status", "unknown");
            status.names.forEach(function (name) { panel.byId(name).set("visible", false); });
            panel.byId("reason").set("value", failures.errorMessage(panel.t, error));
            panel.byId("advice").set("value", "");
        },

        /* history returns the grid of the history. */
        history: function (panel) {
            const t = panel.t;
            const column = function (name, property) { return { name: name, field: property, sortable: false }; };
            return ["aps/Grid", {
                id: panel.id("history"),
                noDataText: t("Nothing has happened yet."),
                columns: [
                    column(t("When"), "at"),
                    column(t("What"), "action"),
                    column(t("Who"), "actor"),
                    column(t("Result"), "result"),
                    column(t("Reference"), "reference")
                ],
                rowsPerPage: 10,
                pageSizeOptions: [10, 25, 50]
            }];
        },

        /* showHistory fills the grid. events is null if the history could not be read. */
        showHistory: function (panel, events) {
            const text = events ? panel.t("Nothing has happened yet.") : panel.t("The history cannot be read at the moment.");
            panel.byId("history").set("noDataText", text);
            panel.byId("history").set("store", new Memory({ data: status.rows(panel.t, events || []), idProperty: "id" }));
        }
    };
});
