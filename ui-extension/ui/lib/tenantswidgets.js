/*
 * The widgets of the screen "Refresh Tokens". It uses only widgets and properties that real packages use, too
 * (docs/reference/aps-ui.md §2.3). lib/ux1 describes panel.
 */
define(["aps/Button", "aps/Output", "aps/Status", "app/lib/connector", "app/lib/dom"], function (Button, Output, Status, connector, dom) {
    "use strict";

    const { words } = connector;

    const whole = "md-12 xs-12";

    // Most urgent first, as the connector sorts.
    const states = ["expired", "action_required", "misconfigured", "expiring", "renewal_failing", "pending", "absent", "suspended", "active"];

    const shown = function (text) {
        return function (row) { return new Output({ value: text(row) }); };
    };

    const column = function (name, field, text) {
        return { name: name, field: field, sortable: false, renderCell: shown(text) };
    };

    /* breakable is a column of names without spaces. */
    const breakable = function (name, field, text) {
        const draw = shown(text);
        return {
            name: name,
            field: field,
            sortable: false,
            renderCell: function (row) {
                const output = draw(row);
                dom.breakable(output);
                return output;
            }
        };
    };

    /* credentials returns the credentials of an instance's application with their ends. */
    const credentials = function (t, application) {
        if (!application) {
            return t("Unknown");
        }
        if (!application.credentials.length) {
            return t("Not set");
        }
        return application.credentials.map(function (c) {
            const end = c.endsAt ? t("Until __date__", { date: words.endDate(c.endsAt) }) : t("Unknown");
            return t("__name__: __state__", { name: words.credential(t, c.name), state: c.name === "federated" ? t("No end date") : end });
        }).join("; ");
    };

    const instanceColumns = function (t, handlers) {
        return [
            column(t("Application (Client) ID"), "id", function (row) {
                return row.application ? row.application.applicationId || t("Not set") : t("Unknown");
            }),
            column(t("Credentials Expire"), "application", function (row) { return credentials(t, row.application); }),
            {
                name: t("Actions"),
                field: "shown",
                sortable: false,
                renderCell: function (row) {
                    if (!row.several || row.shown) {
                        return new Output({ value: t("Resellers are shown below") });
                    }
                    const button = new Button({ label: t("Show Resellers"), autoBusy: false, onClick: function () { handlers.instance(row.id); } });
                    const application = row.application && row.application.applicationId;
                    dom.named(button, t("__name__: __state__", { name: t("Show Resellers"), state: application || row.id }));
                    handlers.instanceDrawn(row, button);
                    return button;
                }
            }
        ];
    };

    const columns = function (t, handlers) {
        return [
            breakable(t("Reseller"), "name", function (row) { return row.name; }),
            {
                name: t("State"),
                field: "state",
                sortable: false,
                renderCell: function (row) { return new Status({ statusInfo: words.states(t), status: row.state }); }
            },
            column(t("Days Left"), "daysLeft", function (row) { return row.expiresAt ? String(row.daysLeft) : "–"; }),
            column(t("Valid Until"), "expiresAt", function (row) { return row.expiresAt ? words.date(row.expiresAt) : t("No token is stored"); }),
            column(t("Next Renewal"), "nextRenewalAt", function (row) { return row.nextRenewalAt ? words.date(row.nextRenewalAt) : t("None planned"); }),
            breakable(t("Directory"), "directory", function (row) { return row.directory || t("Not set"); }),
            {
                name: t("Actions"),
                field: "id",
                sortable: false,
                renderCell: function (row) {
                    const button = new Button({ label: t("Details"), autoBusy: false, onClick: function () { handlers.details(row); } });
                    dom.named(button, t("__name__: __state__", { name: t("Details"), state: row.name }));
                    handlers.drawn(row, button);
                    return button;
                }
            }
        ];
    };

    return function (panel, handlers) {
        const t = panel.t;
        const output = function (name) { return ["aps/Output", { id: panel.id(name), gridSize: whole, value: "" }]; };
        const button = function (name, label, properties) {
            return ["aps/Button", Object.assign({ id: panel.id(name), label: label, autoBusy: false }, properties)];
        };
        const count = function (name, state) {
            return button(name, t("All"), { visible: !state, onClick: function () { handlers.count(state); } });
        };
        return [
            ["aps/Output", { id: panel.id("note"), value: "" }],
            ["aps/Panel", { id: panel.id("instancesPanel"), title: t("Instances") }, [
                ["aps/Grid", { id: panel.id("instances"), noDataText: t("Loading"), columns: instanceColumns(t, handlers), rowsPerPage: 10, pageSizeOptions: [10, 25] }]
            ]],
            ["aps/Panel", { id: panel.id("listPanel"), title: t("Resellers") }, [
                ["aps/FieldSet", { gridSize: whole }, [count("count-all", "")].concat(states.map(function (state) {
                    return count(["count-", state].join(""), state);
                }))],
                ["aps/FieldSet", { gridSize: whole }, [
                    ["aps/TextBox", { id: panel.id("search"), label: t("Search"), gridSize: "md-6 xs-12", value: "", hint: t("Name, directory or ID of the reseller") }],
                    output("failure"),
                    button("reload", t("Reload"), { visible: false, onClick: handlers.reload })
                ]],
                ["aps/Grid", {
                    id: panel.id("list"),
                    noDataText: t("Loading"),
                    columns: columns(t, handlers),
                    rowsPerPage: 50,
                    pageSizeOptions: [50]
                }],
                ["aps/FieldSet", { gridSize: whole }, [
                    output("range"),
                    button("previous", t("Previous Page"), { visible: false, onClick: handlers.previous }),
                    button("next", t("Next Page"), { visible: false, onClick: handlers.next })
                ]]
            ]]
        ];
    };
});
