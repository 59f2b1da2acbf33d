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

    const chipNames = status.apis.concat(["mfa", "roles"]);

    /* labels returns the labels of the details, in their order. */
    const labels = function (t) {
        const all = {
            validUntil: t("Valid Until"),
            lastRenewal: t("Last Renewal"),
            nextRenewal: t("Next Renewal"),
            directory: t("Directory"),
            application: t("Application (Client) ID"),
            secretEnd: t("Credentials Expire"),
            consentedBy: t("Consented By"),
            askedBy: t("Requested By"),
            mfa: t("Multifactor Authentication")
        };
        status.apis.forEach(function (api) { all[api] = words.api(t, api); });
        return Object.assign(all, { further: t("Additional Services"), roles: t("Roles of the Account") });
    };

    const chip = function (panel, name) {
        const t = panel.t;
        const title = { mfa: t("MFA"), roles: t("Roles") }[name] || words.api(t, name);
        const says = function (word, type, icon) { return { label: t("__name__: __state__", { name: title, state: word }), type: type, icon: icon }; };
        const isApi = status.apis.indexOf(name) >= 0;
        return ["aps/Status", {
            id: panel.id(["chip", name].join("-")),
            status: "unknown",
            statusInfo: {
                yes: says(isApi ? t("Reachable") : t("Verified"), "success", "fa-check"),
                partly: says(t("Permissions missing"), "warning", "fa-exclamation"),
                no: says(isApi ? t("Rejected") : t("Missing"), "danger", "fa-times"),
                unknown: says(t("Unknown"), "muted", "fa-question")
            }
        }];
    };

    const output = function (panel, name) { return ["aps/Output", { id: panel.id(name), gridSize: whole, value: "" }]; };

    const show = function (panel, name, text) {
        panel.byId(name).set("value", text);
        panel.byId(name).set("visible", Boolean(text));
    };

    /* showHeadline fills what is below the state. s is null without a status, or if the account may see its state only. */
    const showHeadline = function (panel, s) {
        const t = panel.t;
        show(panel, "headline", s ? status.headline(t, s) : "");
        show(panel, "notes", s ? status.notes(t, s) : "");
        dom.bar(panel.byId("bar"), s && status.bar(t, s));
        panel.byId("bar").set("visible", Boolean(s && status.bar(t, s)));
        panel.byId("details").set("visible", Boolean(s));
        const said = s ? status.chips(s) : {};
        panel.byId("chips").set("visible", Object.keys(said).some(function (name) { return said[name] !== "unknown"; }));
        if (!s) {
            return;
        }
        chipNames.forEach(function (name) { panel.byId(["chip", name].join("-")).set("status", said[name]); });
        const texts = status.fields(t, s);
        const named = labels(t);
        dom.details(panel.byId("details"), t("Details"), Object.keys(named).filter(function (name) {
            // Days left would be no comfort where a sign-in is needed.
            return name in texts && !(name === "validUntil" && s.state === "action_required");
        }).map(function (name) { return [named[name], texts[name]]; }));
    };

    // How many events the first page holds, and a further one. So many further ones are read until the first list has a page.
    const firstPage = 50;
    const furtherPage = 200;
    const furtherPages = 3;

    const isLent = function (event) { return event.action.indexOf("token.") === 0; };

    /* download hands a text to the browser as a file. */
    const download = function (name, text) {
        const a = document.createElement("a");
        a.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
        a.download = name;
        a.click();
        URL.revokeObjectURL(a.href);
    };

    const history = function (panel) {
        const t = panel.t;
        const widget = panel.byId;
        let events = []; // newest first
        let more = false; // whether there are earlier ones
        let lent = false; // which list is shown
        let readPage = null; // of (limit, before)
        let guard = null;

        const draw = function (text) {
            const empty = text || t("Nothing has happened yet.");
            widget("history").set("noDataText", empty);
            widget("history").set("store", new Memory({ data: status.rows(t, events.filter(function (e) { return !isLent(e); })), idProperty: "id" }));
            widget("lendings").set("noDataText", text || t("No access token has been issued yet."));
            widget("lendings").set("store", new Memory({ data: status.lendings(t, events.filter(isLent)), idProperty: "id" }));
            widget("earlier").set("visible", more);
        };

        const show = function (is) {
            lent = is;
            widget("history").set("visible", !lent);
            widget("lendings").set("visible", lent);
            dom.pressed(widget("consents"), !lent);
            dom.pressed(widget("issued"), lent);
        };

        /* take adds a page of earlier events. Two pages may overlap. */
        const take = function (page, limit) {
            const known = new Set(events.map(function (e) { return e.id; }));
            events = events.concat(page.filter(function (e) { return !known.has(e.id); }));
            more = page.length === limit;
        };

        /* renew puts the newest page before what was read earlier, unless there is a gap between them. */
        const renew = function (page, limit) {
            const fresh = new Set(page.map(function (e) { return e.id; }));
            const older = events.filter(function (e) { return !fresh.has(e.id); });
            const joined = page.length < limit || events.length > older.length;
            more = page.length === limit && (!joined || more || !older.length);
            events = joined ? page.concat(older) : page;
        };

        const earlier = function (left) {
            const last = events[events.length - 1];
            // Events of the same millisecond may be on both sides.
            const before = new Date(new Date(last.at).getTime() + 1).toISOString();
            return readPage(furtherPage, before).then(guard(function (page) {
                take(page || [], furtherPage);
                draw();
                fill(left - 1);
            }), guard(function () { draw(t("The history can't be read at the moment.")); }));
        };

        /* fill reads on until the first list has a page, however many access tokens were issued. */
        const fill = function (left) {
            if (more && left > 0 && events.filter(function (e) { return !isLent(e); }).length < 10) {
                earlier(left);
            }
        };

        const saveCSV = function () {
            const lines = status.csv(t, events.filter(function (e) { return isLent(e) === lent; }));
            download(lent ? "access-tokens.csv" : "history.csv", lines);
        };

        const grid = function (name, visible, columns) {
            return ["aps/Grid", {
                id: panel.id(name),
                noDataText: "",
                visible: visible,
                columns: columns.map(function (column) { return { name: column[0], field: column[1], sortable: false }; }),
                rowsPerPage: 10,
                pageSizeOptions: [10, 25, 50]
            }];
        };

        const button = function (name, label, onClick) {
            return ["aps/Button", { id: panel.id(name), label: label, autoBusy: false, onClick: onClick }];
        };

        return {
            tree: function () {
                return [
                    ["aps/Container", { id: panel.id("kinds") }, [
                        button("consents", t("Consents and Renewals"), function () { show(false); }),
                        button("issued", t("Access Tokens Issued"), function () { show(true); }),
                        button("csv", t("Download CSV"), saveCSV)
                    ]],
                    grid("history", true, [
                        [t("Date (__zone__)", { zone: words.zone() }), "at"], [t("Activity"), "action"], [t("Performed By"), "actor"], [t("Result"), "result"],
                        [t("Reference"), "reference"]
                    ]),
                    grid("lendings", false, [
                        [t("Date (__zone__)", { zone: words.zone() }), "at"], [t("Service"), "api"], [t("Directory"), "directory"],
                        [t("Application"), "actor"], [t("Result"), "result"], [t("Number"), "number"]
                    ]),
                    ["aps/Button", {
                        id: panel.id("earlier"), label: t("Show Earlier"), autoBusy: false, visible: false, onClick: function () { earlier(0); }
                    }]
                ];
            },

            /* prepare completes the widgets when they are on the page. */
            prepare: function () {
                dom.row(widget("kinds"));
                widget("kinds").domNode.style.marginBottom = "14px";
                show(lent);
            },

            /* clear forgets what was read, of another tenant. */
            clear: function () {
                events = [];
                more = false;
                draw();
            },

            /* load reads the newest page. read returns the promise of a page, of (limit, before); ignoring makes callbacks ignore
               answers that come too late. */
            load: function (read, ignoring) {
                readPage = read;
                guard = ignoring;
                return read(firstPage, "").then(guard(function (page) {
                    renew(page || [], firstPage);
                    draw();
                    fill(furtherPages);
                }), guard(function () {
                    events = [];
                    more = false;
                    draw(t("The history can't be read at the moment."));
                }));
            }
        };
    };

    return {
        /* statusTile returns the tile of the status with the given buttons, and the given widgets before the details. */
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
                    ["aps/FieldSet", { gridSize: whole }, [output(panel, "reason"), output(panel, "advice"), output(panel, "headline")]],
                    ["aps/Container", { id: panel.id("bar"), visible: false }],
                    ["aps/Container", { id: panel.id("chips"), visible: false }, chipNames.map(function (name) { return chip(panel, name); })],
                    ["aps/FieldSet", { gridSize: whole }, [output(panel, "notes")]]
                ].concat(before || [], [
                    ["aps/Container", { id: panel.id("details"), visible: false }]
                ])]
            ]];
        },

        /* prepare completes the widgets of the tile when they are on the page: screen readers announce changes of the reason. */
        prepare: function (panel) {
            dom.live(panel.byId("reason"), "polite");
            dom.strong(panel.byId("reason"), true);
            dom.row(panel.byId("chips"));
        },

        /* showStatus fills the tile; showLoading and showUnknown show that there is no status yet, or why it is unknown. */
        showStatus: function (panel, s) {
            panel.byId("state").set("status", s.state);
            show(panel, "reason", status.reason(panel.t, s));
            show(panel, "advice", status.advice(panel.t, s));
            showHeadline(panel, status.stateOnly(s) ? null : s);
        },
        showLoading: function (panel) { panel.byId("state").set("status", "loading"); },
        showUnknown: function (panel, error) {
            panel.byId("state").set("status", "unknown");
            show(panel, "reason", failures.errorMessage(panel.t, error));
            show(panel, "advice", "");
            showHeadline(panel, null);
        },

        /* history returns the two lists of the history, with what fills them. */
        history: history
    };
});
