/*
 * The widgets of the screen "Refresh Tokens". It uses only widgets and properties that real packages use, too
 * (docs/reference/aps-ui.md §2.3). lib/ux1 describes panel.
 */
define(["aps/Button", "aps/Output", "aps/Status", "app/lib/groups", "app/lib/words"], function (Button, Output, Status, groups, words) {
    "use strict";

    /* Columns are sorted by the raw value of their field, whatever the cell shows. */
    const columns = function (panel, handlers) {
        const t = panel.t;
        const shown = function (text) {
            return function (row) { return new Output({ value: text(row) }); };
        };
        return [
            { name: t("Reseller"), field: "name", sortable: true, renderCell: shown(function (row) { return row.name; }) },
            {
                name: t("State"),
                field: "stateText",
                sortable: true,
                renderCell: function (row) { return new Status({ statusInfo: words.states(t), status: row.state }); }
            },
            { name: t("Days Left"), field: "daysLeft", sortable: true, renderCell: shown(function (row) { return row.expiresAt ? String(row.daysLeft) : "–"; }) },
            { name: t("Valid Until"), field: "expiresAt", sortable: true, renderCell: shown(function (row) { return row.expiresAt ? words.date(row.expiresAt) : t("No token is stored"); }) },
            { name: t("Next Renewal"), field: "nextRenewalAt", sortable: true, renderCell: shown(function (row) { return row.nextRenewalAt ? words.date(row.nextRenewalAt) : t("None planned"); }) },
            { name: t("Directory"), field: "directory", sortable: true, renderCell: shown(function (row) { return row.directory || t("Not set"); }) },
            {
                name: t("Actions"),
                field: "id",
                sortable: false,
                renderCell: function (row) {
                    const button = new Button({ label: t("Details"), autoBusy: false, onClick: function () { handlers.details(row); } });
                    handlers.drawn(row, button);
                    return button;
                }
            }
        ];
    };

    return function (panel, handlers) {
        const t = panel.t;
        const button = function (name, title, onClick) {
            return { id: panel.id(name), title: title, autoBusy: false, onClick: onClick };
        };
        return [
            ["aps/Output", { id: panel.id("note"), value: "" }],
            ["aps/Panel", { id: panel.id("listPanel"), title: t("Resellers") }, [
                ["aps/Grid", {
                    id: panel.id("list"),
                    noDataText: t("Loading"),
                    columns: columns(panel, handlers),
                    rowsPerPage: 25,
                    pageSizeOptions: [25, 50, 100]
                }]
            ]],
            ["aps/Tiles", { id: panel.id("detail"), visible: false }, [
                groups.statusTile(panel, [
                    button("check", t("Check Now"), handlers.check),
                    button("renew", t("Renew Now"), handlers.renew),
                    button("close", t("Close"), handlers.close)
                ])
            ]],
            ["aps/Panel", { id: panel.id("historyPanel"), title: t("History"), visible: false }, [groups.history(panel)]]
        ];
    };
});
