/*
 * What several screens show of a token: its status, from the connector's token status, and its history. Times are RFC 3339 or
 * null, for which there is a text, too. The widgets are only those that real packages use, with their properties
 * (docs/reference/aps-ui.md §2.3). lib/ux1 describes panel.
 */
define(["aps/Status", "aps/Memory", "app/lib/connector", "app/lib/dom"], function (Status, Memory, connector, dom) {
    "use strict";

    const { failures, words, eventTexts } = connector;

    const whole = "md-12 xs-12";
    const apis = ["partnercenter", "graph", "arm"];

    const lastRenewal = function (t, last) {
        if (!last || !last.at) {
            return t("Not renewed yet");
        }
        if (last.ok) {
            return t("__time__: successful", { time: words.time(last.at) });
        }
        if (!last.failure) {
            return t("__time__: failed", { time: words.time(last.at) });
        }
        return t("__time__: failed. __reason__", { time: words.time(last.at), reason: failures.sentence(t, last.failure) });
    };

    const directory = function (t, d) {
        if (!d || !(d.id || d.name)) {
            return t("Not set");
        }
        if (d.name && d.id && d.name !== d.id) {
            return t("__name__ (__id__)", d);
        }
        return d.name || d.id;
    };

    const api = function (t, probe) {
        if (!probe || !probe.checkedAt) {
            return t("Not checked yet");
        }
        const values = { time: words.time(probe.checkedAt) };
        values.reason = probe.failure ? failures.sentence(t, probe.failure) : "";
        if (probe.works === "yes") {
            return values.reason ? t("Reachable (checked __time__). __reason__", values) : t("Reachable (checked __time__)", values);
        }
        if (probe.works === "no") {
            return values.reason ? t("Rejected (checked __time__). __reason__", values) : t("Rejected (checked __time__)", values);
        }
        return values.reason ? t("Unknown (checked __time__). __reason__", values) : t("Unknown (checked __time__)", values);
    };

    const consentedBy = function (t, s) {
        const who = words.person(t, s.consentedBy);
        return s.consentedBy && s.consentedAt ? t("__who__, on __time__", { who: who, time: words.time(s.consentedAt) }) : who;
    };

    const mfa = function (t, s) {
        switch (s.mfa) {
        case "yes": return t("Verified");
        case "no": return t("Not used");
        }
        return t("Unknown");
    };

    const roles = function (t, s) {
        return t("Global admin: __global__. Admin agent: __agent__.", {
            global: words.answer(t, s.globalAdmin),
            agent: words.answer(t, s.adminAgent)
        });
    };

    const end = function (t, at, now) {
        if (!at) {
            return t("Unknown");
        }
        const date = words.endDate(at);
        return new Date(at) > new Date(now) ? date : t("Ended on __date__", { date: date });
    };

    /* secretEnd tells when each credential ends, and which one is in use; connectors before these told the last end only. */
    const secretEnd = function (t, s) {
        if (!s.credentials || !s.credentials.length) {
            return end(t, s.secretEndsAt, s.now);
        }
        return s.credentials.map(function (c) {
            const name = words.credential(t, c.name);
            return t("__name__: __state__", {
                name: c.used ? t("__name__ (in use)", { name: name }) : name,
                state: c.name === "federated" ? t("No end date") : end(t, c.endsAt, s.now)
            });
        }).join("; ");
    };

    const fieldTexts = function (t, s) {
        const texts = {
            validUntil: words.validUntil(t, s),
            lastRenewal: lastRenewal(t, s.lastRenewal),
            nextRenewal: s.nextRenewalAt ? words.time(s.nextRenewalAt) : t("None planned"),
            directory: directory(t, s.directory),
            application: s.applicationId || t("Not set"),
            consentedBy: consentedBy(t, s),
            askedBy: s.askedBy || t("No one yet"),
            mfa: mfa(t, s),
            roles: roles(t, s),
            secretEnd: secretEnd(t, s)
        };
        apis.forEach(function (name) {
            texts[name] = api(t, (s.apis || []).find(function (probe) { return probe.api === name; }));
        });
        const further = (s.apis || []).filter(function (probe) { return apis.indexOf(probe.api) < 0; });
        if (further.length) {
            texts.further = further.map(function (probe) {
                return t("__name__: __state__", { name: probe.api, state: api(t, probe) });
            }).join(" ");
        }
        return texts;
    };

    // States in which nothing works until a person has done something.
    const broken = ["absent", "expired", "action_required", "misconfigured", "suspended"];

    /* headline says in one sentence how long the token works; empty where the reason says all there is to say. */
    const headline = function (t, s) {
        const values = { until: words.date(s.expiresAt), renewal: s.nextRenewalAt ? words.date(s.nextRenewalAt) : "" };
        switch (s.expiresAt && s.state) {
        case "active":
        case "expiring":
        case "renewal_failing":
            return s.nextRenewalAt ? t("Valid until __until__; renews automatically on __renewal__.", values) : t("Valid until __until__.", values);
        case "misconfigured": return t("The refresh token itself is valid until __until__.", values);
        case "expired": return words.validUntil(t, s);
        }
        return "";
    };

    /* bar returns the life of the token as a line from start to end with marks, or null where a long one would be no comfort. */
    const bar = function (t, s) {
        if (!s.expiresAt || !s.issuedAt || ["active", "expiring", "renewal_failing"].indexOf(s.state) < 0) {
            return null;
        }
        const marks = [{ at: s.now, text: t("Today: __date__", { date: words.date(s.now) }) }];
        if (s.nextRenewalAt) {
            marks.push({ at: s.nextRenewalAt, text: t("Next renewal: __date__", { date: words.date(s.nextRenewalAt) }) });
        }
        marks.push({ at: s.expiresAt, text: t("End: __time__", { time: words.validUntil(t, s) }) });
        const start = new Date(s.issuedAt);
        const share = function (at) { return Math.min(Math.max((new Date(at) - start) / (new Date(s.expiresAt) - start), 0), 1); };
        return marks.map(function (mark) { return { share: share(mark.at), text: mark.text }; });
    };

    /* ago reports whether something was seen before the failure that the status tells of, so that it no longer counts. */
    const ago = function (s, checkedAt) {
        const last = s.lastRenewal;
        return broken.indexOf(s.state) >= 0 || Boolean(last && !last.ok && last.at && checkedAt && new Date(checkedAt) < new Date(last.at));
    };

    const apiChip = function (s, name) {
        const probe = (s.apis || []).find(function (one) { return one.api === name; });
        if (!probe || !probe.checkedAt || probe.works === "yes" && ago(s, probe.checkedAt)) {
            return "unknown";
        }
        return probe.works === "yes" && probe.failure ? "partly" : probe.works;
    };

    const rolesChip = function (s) {
        const answers = [s.globalAdmin, s.adminAgent];
        if (answers.indexOf("no") >= 0) {
            return "no";
        }
        return answers.indexOf("unknown") >= 0 || broken.indexOf(s.state) >= 0 ? "unknown" : "yes";
    };

    /* chips returns what each chip says: yes, partly, no or unknown. After a failure none says what was true before. */
    const chips = function (s) {
        const found = { mfa: s.mfa === "yes" && broken.indexOf(s.state) >= 0 ? "unknown" : s.mfa || "unknown", roles: rolesChip(s) };
        apis.forEach(function (name) { found[name] = apiChip(s, name); });
        return found;
    };

    /* notes says why a service doesn't work, or not in full. */
    const notes = function (t, s) {
        return (s.apis || []).filter(function (probe) {
            return probe.failure && !(probe.works === "yes" && ago(s, probe.checkedAt));
        }).map(function (probe) {
            return t("__name__: __state__", { name: words.api(t, probe.api), state: failures.sentence(t, probe.failure) });
        }).join(" ");
    };

    const unwell = function (s) {
        return (s.apis || []).filter(function (probe) { return probe.works !== "yes"; });
    };

    /* verdict says what a check has found: why the token doesn't work, or each service that doesn't accept it. */
    const verdict = function (t, s) {
        const others = unwell(s);
        if (s.failure) {
            return failures.messageOf(t, s.failure);
        }
        if (!others.length) {
            return t("All services accepted the token.");
        }
        return others.map(function (probe) {
            const values = { name: words.api(t, probe.api) };
            return probe.works === "no" ? t("__name__ rejected the token.", values) : t("__name__ didn't answer the check.", values);
        }).join(" ");
    };

    /* stateOnly reports whether the account may see only the state, because it is above the reseller's. */
    const stateOnly = function (s) { return s.expiresAt === undefined; };

    /* reason returns what is wrong with the token, and advice what to do, with the reference. Both are empty if nothing is wrong. */
    const reason = function (t, s) {
        if (stateOnly(s)) {
            return t("This tenant belongs to a reseller below this account. You can see its status only.");
        }
        return s.failure ? failures.sentence(t, s.failure) : "";
    };
    const advice = function (t, s) { return s.failure ? failures.whatToDo(t, s.failure) : ""; };

    const chipNames = apis.concat(["mfa", "roles"]);

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
        apis.forEach(function (api) { all[api] = words.api(t, api); });
        return Object.assign(all, { further: t("Additional Services"), roles: t("Roles of the Account") });
    };

    const chip = function (panel, name) {
        const t = panel.t;
        const title = { mfa: t("MFA"), roles: t("Roles") }[name] || words.api(t, name);
        const says = function (word, type, icon) { return { label: t("__name__: __state__", { name: title, state: word }), type: type, icon: icon }; };
        const isApi = apis.indexOf(name) >= 0;
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
        dom.text(panel.byId(name), text);
        panel.byId(name).set("visible", Boolean(text));
    };

    /* showHeadline fills what is below the state. s is null without a status, or if the account may see its state only. */
    const showHeadline = function (panel, s) {
        const t = panel.t;
        show(panel, "headline", s ? headline(t, s) : "");
        show(panel, "notes", s ? notes(t, s) : "");
        dom.bar(panel.byId("bar"), s && bar(t, s));
        panel.byId("bar").set("visible", Boolean(s && bar(t, s)));
        panel.byId("details").set("visible", Boolean(s));
        const said = s ? chips(s) : {};
        panel.byId("chips").set("visible", Object.keys(said).some(function (name) { return said[name] !== "unknown"; }));
        if (!s) {
            return;
        }
        chipNames.forEach(function (name) { panel.byId(["chip", name].join("-")).set("status", said[name]); });
        const texts = fieldTexts(t, s);
        const named = labels(t);
        dom.details(panel.byId("details"), t("Details"), Object.keys(named).filter(function (name) {
            // Days left would be no comfort where a sign-in is needed.
            return name in texts && !(name === "validUntil" && s.state === "action_required");
        }).map(function (name) { return [named[name], texts[name]]; }));
    };

    // How many events the first page holds, and a further one.
    const firstPage = 50;
    const furtherPage = 200;

    const isLent = function (event) { return event.action.indexOf("token.") === 0; };

    /* eventList returns one part of the history, newest first: accessTokens is "none" or "only". empty is what it says without
       events. */
    const eventList = function (t, accessTokens, empty) {
        const belongs = function (event) { return isLent(event) === (accessTokens === "only"); };
        const readings = connector.operations.readings(); // of the newest page
        let read = []; // with the events at which the connector stopped looking
        let more = false; // whether there may be earlier ones
        let note = ""; // what it says instead

        const hasMore = function (page, limit) { return page.length >= limit || !page.every(belongs); };

        return {
            accessTokens: accessTokens,
            ask: readings.ask,
            events: function () { return read.filter(belongs); },
            more: function () { return more; },
            note: function () { return note || (more ? t("Nothing recent. Use Show Earlier to look further back.") : empty); },

            /* before returns the time from which the next page is to be read. Events of the same millisecond may be on both sides. */
            before: function () { return new Date(new Date(read[read.length - 1].at).getTime() + 1).toISOString(); },

            /* take adds a page of earlier events. Two pages may overlap. */
            take: function (page, limit) {
                const known = new Set(read.map(function (e) { return e.id; }));
                read = read.concat(page.filter(function (e) { return !known.has(e.id); }));
                more = hasMore(page, limit);
            },

            /* renew puts the newest page before what was read earlier, unless there is a gap between them. */
            renew: function (page, limit) {
                const fresh = new Set(page.map(function (e) { return e.id; }));
                const older = read.filter(function (e) { return !fresh.has(e.id); });
                const joined = !hasMore(page, limit) || read.length > older.length;
                more = hasMore(page, limit) && (!joined || more || !older.length);
                read = joined ? page.concat(older) : page;
                note = "";
            },

            /* clear forgets what was read. text says why there is nothing. */
            clear: function (text) {
                read = [];
                more = false;
                note = text || "";
            }
        };
    };

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
        const changes = eventList(t, "none", t("Nothing has happened yet."));
        const issued = eventList(t, "only", t("No access token has been issued yet."));
        let shown = changes;
        let issuedRead = false; // whether the access tokens were read since the last load
        let readPage = null; // of (accessTokens, limit, before)
        let guard = null;

        /* draw fills the list that is shown. */
        const draw = function () {
            const lent = shown === issued;
            const list = widget(lent ? "lendings" : "history");
            const rows = lent ? eventTexts.lendings(t, shown.events()) : eventTexts.rows(t, shown.events());
            list.set("noDataText", shown.note());
            list.set("store", new Memory({ data: rows, idProperty: "id" }));
            const ended = dom.hasFocus(widget("earlier")) && !shown.more();
            widget("earlier").set("visible", shown.more());
            if (ended) {
                dom.restoreFocus(widget(lent ? "issued" : "consents")); // the button that had the focus is hidden
            }
        };

        /* readNewest reads the newest page of a list. */
        const readNewest = function (list) {
            const inOrder = list.ask();
            return readPage(list.accessTokens, firstPage, "").then(guard(inOrder(function (page) {
                list.renew(page || [], firstPage);
                draw();
            })), guard(inOrder(function () {
                list.clear(t("The history can't be read at the moment."));
                draw();
            })));
        };

        /* show shows one list. The access tokens are not read before somebody wants to see them. */
        const show = function (list) {
            const lent = list === issued;
            shown = list;
            widget("history").set("visible", !lent);
            widget("lendings").set("visible", lent);
            dom.pressed(widget("consents"), !lent);
            dom.pressed(widget("issued"), lent);
            if (!readPage) {
                return;
            }
            if (lent && !issuedRead) {
                issuedRead = true;
                issued.clear(t("Loading"));
                readNewest(issued);
            }
            draw();
        };

        const earlier = function () {
            const list = shown;
            widget("earlierFailed").set("value", "");
            readPage(list.accessTokens, furtherPage, list.before()).then(guard(function (page) {
                list.take(page || [], furtherPage);
                draw();
            }), guard(function () { widget("earlierFailed").set("value", t("The history can't be read at the moment.")); }));
        };

        const saveCSV = function () {
            download(shown === issued ? "access-tokens.csv" : "history.csv", eventTexts.csv(t, shown.events()));
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
                        button("consents", t("Consents and Renewals"), function () { show(changes); }),
                        button("issued", t("Access Tokens Issued"), function () { show(issued); }),
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
                        id: panel.id("earlier"), label: t("Show Earlier"), autoBusy: false, visible: false, onClick: earlier
                    }],
                    output(panel, "earlierFailed")
                ];
            },

            /* prepare completes the widgets when they are on the page. */
            prepare: function () {
                dom.row(widget("kinds"));
                widget("kinds").domNode.style.marginBottom = "14px";
                dom.live(widget("earlierFailed"), "polite");
                show(shown);
            },

            /* clear forgets what was read, of another tenant, before that of this one is there. */
            clear: function () {
                changes.clear(t("Loading"));
                issued.clear(t("Loading"));
                widget("earlierFailed").set("value", "");
                issuedRead = false;
                readPage = null;
                draw();
            },

            /* load reads the newest page of what is shown. read returns the promise of a page, of (accessTokens, limit, before);
               ignoring makes callbacks ignore answers that come too late. */
            load: function (read, ignoring) {
                readPage = read;
                guard = ignoring;
                issuedRead = shown === issued;
                if (issuedRead) {
                    readNewest(issued);
                }
                return readNewest(changes);
            }
        };
    };

    return {
        /* fields returns the texts of the details: name → text. */
        fields: fieldTexts,

        stateOnly: stateOnly,
        reason: reason,
        advice: advice,
        verdict: verdict,

        /* tile returns the tile of the status with the given buttons, and the given widgets before the details. */
        tile: function (panel, buttons, before) {
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
            show(panel, "reason", reason(panel.t, s));
            show(panel, "advice", advice(panel.t, s));
            showHeadline(panel, stateOnly(s) ? null : s);
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
