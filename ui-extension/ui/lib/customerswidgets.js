/*
 * The widgets of the screen "Customers". It uses only widgets and properties that real packages use, too
 * (docs/reference/aps-ui.md §2.3). lib/ux1 describes panel.
 */
define(["aps/Button", "aps/Output", "aps/Status", "app/lib/connector", "app/lib/dom"], function (Button, Output, Status, connector, dom) {
    "use strict";

    const { failures, words } = connector;

    const whole = "md-12 xs-12";

    /* states returns the statusInfo of aps/Status for customers. */
    const states = function (t) {
        return {
            ready: { label: t("Ready"), type: "success", icon: "fa-check" },
            ending: { label: t("Relationship Ends Soon"), type: "warning", icon: "fa-clock-o" },
            outdated: { label: t("Consent Outdated"), type: "warning", icon: "fa-exclamation" },
            missing: { label: t("Consent Missing"), type: "warning", icon: "fa-exclamation" },
            unknown: { label: t("Consent Unknown"), type: "muted", icon: "fa-question" },
            refused: { label: t("Access Refused"), type: "danger", icon: "fa-bolt" },
            none: { label: t("No Relationship"), type: "muted", icon: "fa-minus" }
        };
    };

    /* relationship returns the text for a customer's active relationship. */
    const relationship = function (t, customer) {
        if (!customer.active) {
            return t("None active");
        }
        if (!customer.endsAt) {
            return t("Active relationship");
        }
        const values = { date: words.date(customer.endsAt) };
        return customer.autoExtends ? t("Until __date__, then extended automatically", values) : t("Until __date__", values);
    };

    /* consent returns the text for the application's consent in a customer's directory. */
    const consent = function (t, customer) {
        if (customer.outdated) {
            return t("Granted on __date__, with different permissions than now", { date: words.date(customer.consentedAt) });
        }
        if (customer.consent === "yes") {
            return customer.consentedAt ? t("Granted on __date__", { date: words.date(customer.consentedAt) }) : t("Granted");
        }
        return customer.consent === "no" ? t("Missing") : t("Unknown");
    };

    /* lastText returns how the last request for an access token of a customer ended. What a lacking consent means is on the button. */
    const lastText = function (t, customer) {
        if (!customer.lastResult) {
            return t("None yet");
        }
        const time = { time: words.time(customer.lastAt) };
        if (!customer.lastFailure) {
            return t("Issued on __time__", time);
        }
        const params = Object.assign({}, customer.lastFailure.params, { directory: customer.name || customer.directory });
        const failure = Object.assign({}, customer.lastFailure, { params: params });
        const explained = customer.lastResult === "customer_consent_missing" ? failures.sentence(t, failure) : failures.messageOf(t, failure);
        return [t("Refused on __time__.", time), explained].join(" ");
    };

    /* Columns are sorted by the raw value of their field, whatever the cell shows. */
    const columns = function (panel, handlers, readOnly) {
        const t = panel.t;
        const column = function (name, field, text) {
            return { name: name, field: field, sortable: true, renderCell: function (row) { return new Output({ value: text(row) }); } };
        };
        return [
            {
                name: t("Customer"),
                field: "name",
                sortable: true,
                renderCell: function (row) {
                    const domain = row.customer.domain;
                    const output = new Output({ value: domain ? t("__name__ (__domain__)", { name: row.name, domain: domain }) : row.name });
                    dom.breakable(output, "10.5em");
                    return output;
                }
            },
            {
                name: t("State"),
                field: "stateText",
                sortable: true,
                renderCell: function (row) { return new Status({ statusInfo: states(t), status: row.state }); }
            },
            column(t("Relationship"), "endsAt", function (row) { return relationship(t, row.customer); }),
            column(t("Consent"), "consent", function (row) { return row.refusal || row.consent; }),
            column(t("Last Access Token"), "lastAt", function (row) { return lastText(t, row.customer); })
        ].concat(readOnly ? [] : [
            {
                name: t("Actions"),
                field: "id",
                sortable: false,
                renderCell: function (row) {
                    const label = row.removable ? t("Remove") : t("Consent");
                    const button = new Button({
                        label: label,
                        autoBusy: false,
                        disabled: row.disabled,
                        onClick: function () { (row.removable ? handlers.remove : handlers.consent)(row); }
                    });
                    dom.named(button, t("__name__: __state__", { name: label, state: row.name }));
                    handlers.drawn(row, button);
                    return button;
                }
            }
        ]);
    };

    const widgets = function (panel, handlers, readOnly) {
        const t = panel.t;
        const output = function (name) { return ["aps/Output", { id: panel.id(name), gridSize: whole, value: "" }]; };
        const button = function (name, label, properties) {
            return ["aps/Button", Object.assign({ id: panel.id(name), label: label, autoBusy: false, onClick: handlers[name] }, properties)];
        };
        return [
            ["aps/Output", { id: panel.id("note"), value: "" }],
            ["aps/Panel", { id: panel.id("listPanel"), title: t("Customers") }, [
                ["aps/FieldSet", { gridSize: whole }, [
                    ["aps/Output", {
                        gridSize: whole,
                        value: t("These are the customers of the partner account at Microsoft. An access token is issued for a customer once the application has a consent in the customer's directory.")
                    }],
                    output("setting"),
                    output("incomplete")
                ]],
                ["aps/FieldSet", { gridSize: whole }, [
                    button("all", t("Consent for All"), { disabled: true, visible: !readOnly }),
                    button("stop", t("Stop"), { visible: false }),
                    button("reload", t("Reload"), { disabled: true }),
                    output("progress"),
                    ["aps/TextBox", { id: panel.id("search"), label: t("Search"), gridSize: "md-6 xs-12", value: "", hint: t("Name, domain or ID of the directory") }],
                    output("count")
                ]],
                ["aps/Grid", {
                    id: panel.id("list"),
                    noDataText: t("Loading"),
                    columns: columns(panel, handlers, readOnly),
                    rowsPerPage: 25,
                    pageSizeOptions: [25, 50, 100]
                }]
            ]]
        ];
    };
    widgets.states = states;
    widgets.consent = consent;
    return widgets;
});
