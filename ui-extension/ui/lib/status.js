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
            return values.reason ? t("Works (checked __time__). __reason__", values) : t("Works (checked __time__)", values);
        }
        if (probe.works === "no") {
            return values.reason ? t("Does not work (checked __time__). __reason__", values) : t("Does not work (checked __time__)", values);
        }
        return values.reason ? t("Not known (checked __time__). __reason__", values) : t("Not known (checked __time__)", values);
    };

    const consentedBy = function (t, s) {
        const who = words.person(t, s.consentedBy);
        return s.consentedBy && s.consentedAt ? t("__who__, on __time__", { who: who, time: words.time(s.consentedAt) }) : who;
    };

    const mfa = function (t, s) {
        switch (s.mfa) {
        case "yes": return t("Proven");
        case "no": return t("Not used");
        }
        return t("Not known");
    };

    const roles = function (t, s) {
        return t("Global admin: __global__. Admin agent: __agent__.", {
            global: words.answer(t, s.globalAdmin),
            agent: words.answer(t, s.adminAgent)
        });
    };

    const end = function (t, at, now) {
        if (!at) {
            return t("Not known");
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
                state: c.name === "federated" ? t("No end") : end(t, c.endsAt, s.now)
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
            askedBy: s.askedBy || t("Nobody yet"),
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

        /* stateOnly reports whether the account may see only the state, because it is above the reseller's. */
        stateOnly: function (s) { return s.expiresAt === undefined; },

        /* reason returns what is wrong with the token, and advice what to do, with the reference. Both are empty if nothing is
           wrong. */
        reason: function (t, s) {
            if (this.stateOnly(s)) {
                return t("This tenant belongs to a reseller below this account. This account is told its state and nothing else.");
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
