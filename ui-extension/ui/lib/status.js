/*
 * The texts of the status group, derived from the connector's token status. Times are RFC 3339 or null, for which there
 * is a text, too.
 */
define(["app/lib/words", "app/lib/failure"], function (words, failures) {
    "use strict";

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
        const date = words.date(at);
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

    /* waitingValues returns the values of the texts about a consent that waits. */
    const waitingValues = function (t, waiting) {
        return {
            who: words.person(t, waiting.consentedBy),
            before: words.person(t, waiting.replaces),
            when: words.time(waiting.consentedAt),
            until: words.time(waiting.expiresAt)
        };
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

    const names = ["validUntil", "lastRenewal", "nextRenewal", "directory", "application", "consentedBy", "askedBy", "mfa", "roles", "secretEnd", "further"].concat(apis);

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

    const result = function (t, event) {
        if (event.failure) {
            return failures.sentence(t, event.failure);
        }
        return event.result === "ok" ? t("OK") : event.result;
    };

    return {
        apis: apis,

        /* names are the names of the group's fields, and fields returns their texts: name → text. */
        names: names,
        fields: fieldTexts,

        headline: headline,
        bar: bar,
        chips: chips,
        notes: notes,
        verdict: verdict,
        allWell: function (s) { return !s.failure && !unwell(s).length; },

        /* stateOnly reports whether the account may see only the state, because it is above the reseller's. */
        stateOnly: function (s) { return s.expiresAt === undefined; },

        /* reason returns what is wrong with the token, and advice what to do, with the reference. Both are empty if nothing is
           wrong. */
        reason: function (t, s) {
            if (this.stateOnly(s)) {
                return t("This tenant belongs to a reseller below this account. You can see its status only.");
            }
            return s.failure ? failures.sentence(t, s.failure) : "";
        },
        advice: function (t, s) {
            return s.failure ? failures.whatToDo(t, s.failure) : "";
        },

        /* pending describes the consent that waits for its authentication code; empty if there is none. One with an id waits
           for confirmation instead. */
        pending: function (t, s) {
            if (!s.pending || s.pending.id) {
                return "";
            }
            const values = waitingValues(t, s.pending);
            return t("__who__ granted the consent on __when__. It takes effect when the authentication code is entered under Manual Update, until __until__.", values);
        },

        /* linkProgress says what has become of the link that works, and who consented; either may be null. */
        linkProgress: function (t, link, pending) {
            const granted = link && link.consentedAt ? link : pending && !pending.id ? pending : null;
            if (granted) {
                return t("__who__ granted the consent on __when__.", { who: words.person(t, granted.consentedBy), when: words.time(granted.consentedAt) });
            }
            if (!link) {
                return t("Nothing to wait for yet. Once there's a link, this shows when it was opened and who consented.");
            }
            if (link.openedAt) {
                return t("Opened on __time__. The consent has not been granted yet.", { time: words.time(link.openedAt) });
            }
            return t("Not opened yet, as far as the connector can tell.");
        },

        /* replaces says for the authentication code whose token the consent replaces; empty if that is the same person's. */
        replaces: function (t, s) {
            if (!s.pending || s.pending.id || !s.pending.replaces) {
                return "";
            }
            return t("__who__ granted the consent on __when__, but the token in use is from __before__. Update replaces that token.", waitingValues(t, s.pending));
        },

        /* unconfirmed describes the consent that waits for the confirmation that another person gave it; empty if there is
           none. */
        unconfirmed: function (t, s) {
            if (!s.waiting || !s.waiting.id) {
                return "";
            }
            return t("__who__ granted a consent on __when__, but the token in use is from __before__. Confirm the consent to replace that token. Otherwise, it is discarded on __until__.", waitingValues(t, s.waiting));
        },

        /* lendings returns the rows of the access tokens: one for a day, api, directory, application and result. */
        lendings: function (t, events) {
            const rows = {};
            events.forEach(function (e) {
                const details = e.details || {};
                const row = {
                    at: words.date(e.at),
                    api: words.api(t, details.api || ""),
                    directory: details.directory || t("Partner directory"),
                    actor: words.actor(t, e.actor || {}),
                    result: result(t, e)
                };
                const id = JSON.stringify(Object.values(row));
                rows[id] = rows[id] || Object.assign({ id: id, number: 0 }, words.plain(row));
                rows[id].number += Number(details.count) || 1;
            });
            return Object.values(rows);
        },

        /* csv returns events as a file for spreadsheets: times are in UTC, and no cell is a formula. */
        csv: function (t, events) {
            const cell = function (text) { return ['"', String(text).replace(/^[=+\-@\t]/, "'$&").replace(/"/g, '""'), '"'].join(""); };
            const lines = events.map(function (e) {
                const details = e.details || {};
                return [new Date(e.at).toISOString(), words.action(t, e.action), words.actor(t, e.actor || {}), result(t, e), details.api || "", details.directory || "", e.reference || ""];
            });
            const head = [t("Date (__zone__)", { zone: "UTC" }), t("Activity"), t("Performed By"), t("Result"), t("Service"), t("Directory"), t("Reference")];
            return ["\uFEFF", [head].concat(lines).map(function (line) { return line.map(cell).join(","); }).join("\r\n"), "\r\n"].join("");
        },

        /* rows returns the rows of the history grid. */
        rows: function (t, events) {
            return events.map(function (e) {
                return words.plain({
                    id: e.id,
                    at: words.time(e.at),
                    action: words.action(t, e.action),
                    actor: words.actor(t, e.actor || {}),
                    result: result(t, e),
                    reference: e.reference || ""
                });
            });
        }
    };
});
