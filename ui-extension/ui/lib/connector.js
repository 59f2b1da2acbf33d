/*
 * What the connector does and says, for all screens:
 *
 *   operations  the operations of one resource, which the platform forwards to the connector
 *   failures    the message for an error. The connector sends its failures as templates with __named__ placeholders and their
 *               values, which are translated here; all other messages are derived from the platform's answer
 *   words       states, answers, actions, people and times in words
 *   eventTexts  the events of the history as rows and as a file
 *
 * Every function of failures, words and eventTexts takes t, which translates a text with __named__ placeholders; no sentence is built
 * from parts.
 */
define(["aps/xhr"], function (xhr) {
    "use strict";

    // Some operations call Microsoft before they answer.
    const timeLimit = 60000;

    /* operationsOf returns the operations of a resource. Every one returns the promise of aps/xhr. All calls use that, because the
       platform's library adds the token of the session (docs/reference/aps-ui.md §2.4). */
    const operationsOf = function (resourceId) {
        const resource = "/aps/2/resources/" + encodeURIComponent(resourceId);
        const get = function (path) {
            return xhr.get(resource + path, { handleAs: "json", timeout: timeLimit });
        };
        const send = function (method, path, body) {
            return xhr(resource + path, {
                method: method,
                headers: { "Content-Type": "application/json" },
                data: JSON.stringify(body || {}),
                handleAs: "json",
                timeout: timeLimit
            });
        };
        const post = function (path, body) { return send("POST", path, body); };
        return {
            tokenStatus: function () { return get("/tokenStatus"); },

            /* statusWithClients is the status with the clients of the token API, which take the connector longer. */
            statusWithClients: function () { return get("/tokenStatus?clients=true"); },

            /* history returns a page of the history: accessTokens is "none" or "only". A page may end with an event of the other part:
               the connector did not look at older ones. */
            history: function (accessTokens, limit, before) {
                return get("/history?accessTokens=" + accessTokens + "&limit=" + limit + (before ? "&before=" + encodeURIComponent(before) : ""));
            },
            beginConsent: function (request) { return post("/consents", request); },
            findConsent: function (id) { return get("/consents/" + encodeURIComponent(id)); },
            consentLink: function () { return post("/consentLink"); },
            redeem: function (code) { return post("/redeem", { code: code }); },
            check: function () { return post("/check"); },
            renew: function () { return post("/renew"); },
            remind: function () { return post("/remind"); },
            forget: function () { return post("/forget"); },
            testCredentials: function (entered) { return post("/testCredentials", entered); },
            removeCredential: function (name) { return post("/removeCredential", { credential: name }); },

            /* customers returns a page of the partner's customers, from offset on. */
            customers: function (offset, limit) { return get("/customers?offset=" + offset + "&limit=" + limit); },
            consentCustomer: function (directory) { return post("/customers/" + encodeURIComponent(directory) + "/consent"); },
            withdrawCustomer: function (directory) { return send("DELETE", "/customers/" + encodeURIComponent(directory) + "/consent"); },

            /* tenants returns a page of an instance's tenants, the most urgent first. query has limit, offset, state and search. */
            tenants: function (query) {
                const given = Object.keys(query).filter(function (name) { return query[name] !== ""; });
                return get("/tenants?" + given.map(function (name) { return name + "=" + encodeURIComponent(query[name]); }).join("&"));
            },

            /* read returns the resource itself, and save changes its properties. */
            read: function () { return get(""); },
            save: function (changed) { return send("PUT", "", changed); }
        };
    };

    /* choose returns one of the account's tenants: that of the current subscription, or else the one with the lowest id, so
       that it is always the same one. */
    operationsOf.choose = function (tenants, subscription) {
        const all = [].concat(tenants || []).filter(function (tenant) { return tenant && tenant.aps; });
        all.sort(function (a, b) { return a.aps.id < b.aps.id ? -1 : 1; });
        const current = all.find(function (tenant) { return subscription && tenant.aps.subscription === subscription; });
        return { tenant: current || all[0], several: all.length > 1 };
    };

    /* lifetime ties answers to the time for which a screen is open: a callback from whileOpen ignores an answer that
       arrives after end. */
    operationsOf.lifetime = function () {
        let generation = 0;
        return {
            whileOpen: function (show) {
                const started = generation;
                return function (value) {
                    if (started === generation) {
                        show(value);
                    }
                };
            },
            end: function () { generation += 1; }
        };
    };

    /* readings puts the answers to a question that is asked again and again in order: one that comes after the answer to a later
       question is ignored. So is one that was asked for before an operation began or ended, or that comes while one runs,
       because it is older than the operation's own answer. */
    operationsOf.readings = function () {
        let asked = 0;
        let answered = 0;
        let running = 0; // operations
        let changes = 0; // how many of them have begun, and ended
        return {
            /* ask is called when the question is asked; what it returns makes the callbacks for the answer. */
            ask: function () {
                const mine = asked += 1;
                const before = changes;
                return function (show) {
                    return function (value) {
                        if (mine > answered && before === changes && !running) {
                            answered = mine;
                            show(value);
                        }
                    };
                };
            },
            /* operate is called when an operation begins; what it returns makes the callbacks for its answer. The operation has ended
               then, also when guard ignores the answer. */
            operate: function (guard) {
                running += 1;
                changes += 1;
                return function (show) {
                    const shown = guard(show);
                    return function (value) {
                        running -= 1;
                        changes += 1;
                        shown(value);
                    };
                };
            }
        };
    };

    const day = 24 * 60 * 60 * 1000;
    const hour = 60 * 60 * 1000;

    const locale = function () {
        const platform = window.aps && window.aps.context && window.aps.context._locale;
        const used = platform || document.documentElement.lang; // the page of a tile has no context of its own
        return used ? used.replace("_", "-") : undefined;
    };

    /* inLocale returns what make makes for the language of the screen, or for the browser's if it doesn't know that one. */
    const inLocale = function (make) {
        try {
            return make(locale());
        } catch (unknownLocale) {
            return make(undefined);
        }
    };

    const format = function (time, options) {
        return inLocale(function (language) { return new Date(time).toLocaleString(language, options); });
    };

    /* zoneAt returns the short name of the time zone at a time; the styles of dates don't have it. */
    const zoneAt = function (time) {
        if (isNaN(new Date(time))) {
            return "";
        }
        return inLocale(function (language) {
            const parts = new Intl.DateTimeFormat(language, { timeZoneName: "short" }).formatToParts(new Date(time));
            return parts.find(function (part) { return part.type === "timeZoneName"; }).value;
        });
    };

    const words = {
        /* number returns a count as people write it in the language of the screen. */
        number: function (n) { return inLocale(function (language) { return n.toLocaleString(language); }); },

        /* plural translates a text for a count: the catalogues have it with the suffix of each plural category of their
           language. A language without a catalogue gets the English text. */
        plural: function (t, text, count, values) {
            let category;
            try {
                category = new Intl.PluralRules(locale()).select(count);
            } catch (unknownLocale) {
                category = new Intl.PluralRules("en").select(count);
            }
            const key = [text, category].join("_");
            return t(key, values).replace(/_(?:zero|one|two|few|many|other)$/, "");
        },

        /* states returns the statusInfo of aps/Status. loading and unknown are no states of the connector. */
        states: function (t) {
            return {
                loading: { label: t("Loading"), type: "muted", icon: "fa-spinner", isLoad: true },
                unknown: { label: t("Unknown"), type: "muted", icon: "fa-question" },
                absent: { label: t("No Token"), type: "muted", icon: "fa-minus" },
                pending: { label: t("Waiting for the Authentication Code"), type: "warning", icon: "fa-clock-o" },
                active: { label: t("Active"), type: "success", icon: "fa-check" },
                expiring: { label: t("Expiring Soon"), type: "warning", icon: "fa-clock-o" },
                renewal_failing: { label: t("Renewal Failing"), type: "warning", icon: "fa-exclamation" },
                action_required: { label: t("Sign-In Needed"), type: "danger", icon: "fa-bolt" },
                misconfigured: { label: t("Configuration Error"), type: "danger", icon: "fa-bolt" },
                suspended: { label: t("Suspended"), type: "warning", icon: "fa-pause" },
                expired: { label: t("Expired"), type: "danger", icon: "fa-times" }
            };
        },

        api: function (t, api) {
            switch (api) {
            case "partnercenter": return t("Partner Center");
            case "graph": return t("Microsoft Graph");
            case "arm": return t("Azure Resource Manager");
            }
            return api;
        },

        /* role returns Microsoft's own name of a role in the language of the screen. */
        role: function (t, role) {
            switch (role) {
            case "Global admin": return t("Global admin");
            case "Admin agent": return t("Admin agent");
            }
            return role;
        },

        credential: function (t, name) {
            switch (name) {
            case "applicationSecret": return t("Client secret");
            case "nextApplicationSecret": return t("Next client secret");
            case "applicationCertificate": return t("Certificate");
            case "nextApplicationCertificate": return t("Next certificate");
            case "federated": return t("Federated token");
            }
            return name;
        },

        action: function (t, action) {
            switch (action) {
            case "tenant.provisioned": return t("Tenant set up");
            case "tenant.configured": return t("Settings changed");
            case "tenant.credentials_tested": return t("Credentials tested");
            case "tenant.directory_resolved": return t("Directory identified");
            case "tenant.suspended": return t("Subscription suspended");
            case "tenant.resumed": return t("Subscription resumed");
            case "tenant.linked": return t("Subscription linked to its account");
            case "tenant.unlinked": return t("Subscription unlinked from its account");
            case "tenant.moved": return t("Subscription moved to another account");
            case "tenant.doubted": return t("Subscription in doubt: the marketplace may not have it");
            case "tenant.reminded": return t("Reseller reminded");
            case "tenant.recognized": return t("Subscription confirmed by the marketplace");
            case "instance.bound": return t("Subscribed to account changes");
            case "tenant.removed": return t("Tenant removed");
            case "consent.begun": return t("Automatic update started");
            case "consent.linked": return t("Consent link created");
            case "consent.granted": return t("Consent granted");
            case "consent.refused": return t("Consent refused");
            case "consent.confirmed": return t("Consent confirmed");
            case "consent.expired": return t("Consent expired");
            case "consent.closed": return t("Sign-in closed: another one succeeded");
            case "consent.disowned": return t("Consent taken back");
            case "claim.accepted": return t("Authentication code accepted");
            case "claim.refused": return t("Authentication code refused");
            case "grant.renewed": return t("Refresh token renewed");
            case "grant.renewal_failed": return t("Renewal failed");
            case "grant.predecessor_used": return t("Previous refresh token used");
            case "grant.rotated": return t("Token replaced");
            case "grant.checked": return t("Token checked");
            case "grant.permissions": return t("Permissions of the consent changed");
            case "credential.dated": return t("Credential expiry read from Microsoft");
            case "grant.forgotten": return t("Token deleted");
            case "grant.exported": return t("Token exported");
            case "token.lent": return t("Access token issued");
            case "token.lending_refused": return t("Access token refused");
            case "customer.consented": return t("Consent for a customer");
            case "customer.withdrawn": return t("Consent for a customer removed");
            case "customer.relationships_ending": return t("Relationships with customers end soon");
            case "call.forwarded": return t("Call forwarded to Microsoft");
            case "call.refused": return t("Call refused");
            case "limit.reached": return t("Too many requests");
            case "integrity.violated": return t("Unauthorized change detected");
            case "integrity.accepted": return t("Changed data accepted");
            }
            return action;
        },

        /* actor returns who did something. The names of the connector's own parts are for its log. */
        actor: function (t, actor) {
            switch (actor.kind) {
            case "platform": return t("Platform");
            case "scheduler": return actor.name === "renewal" ? t("Automatic renewal") : t("Connector");
            }
            if (actor.name) {
                return actor.name;
            }
            switch (actor.kind) {
            case "user": return t("Panel user");
            case "application": return t("Application");
            case "visitor": return t("Unidentified visitor");
            case "operator": return t("Operator");
            }
            return actor.kind;
        },

        /* person returns the name of a Microsoft account. */
        person: function (t, person) {
            if (!person) {
                return t("No one yet");
            }
            return person.name ? t("__name__ (__username__)", person) : person.username;
        },

        answer: function (t, answer) {
            switch (answer) {
            case "yes": return t("Yes");
            case "no": return t("No");
            }
            return t("Unknown");
        },

        /* plain escapes values, because labels and titles of Dojo's widgets are markup. */
        plain: function (values) {
            return Object.fromEntries(Object.keys(values).map(function (name) {
                const value = values[name];
                return [name, typeof value === "string" ? value.replace(/</g, "‹") : value];
            }));
        },

        /* zone is the time zone of all times. */
        zone: function () { return Intl.DateTimeFormat().resolvedOptions().timeZone; },

        /* localTime is a time in a list whose heading names the zone. */
        localTime: function (time) {
            return format(time, { dateStyle: "medium", timeStyle: "short" });
        },

        /* time is a time with its zone, which need not be that of whoever is told about it, nor the same all year. */
        time: function (time) {
            return [words.localTime(time), zoneAt(time)].filter(Boolean).join(" ");
        },

        date: function (time) {
            return format(time, { dateStyle: "medium" });
        },

        /* endDate is the day on which a credential ends: in UTC, as people enter it and as certificates have it. */
        endDate: function (time) {
            return format(time, { dateStyle: "medium", timeZone: "UTC" });
        },

        /* validUntil returns the text for a token's expiry. Accounts above the reseller's may not see it. */
        validUntil: function (t, s) {
            if (s.expiresAt === undefined) {
                return t("Not shown to this account");
            }
            if (!s.expiresAt) {
                return t("No token is stored");
            }
            const values = { time: words.time(s.expiresAt), days: s.daysLeft };
            if (s.state === "expired") {
                return t("Expired on __time__", values);
            }
            return s.daysLeft ? words.plural(t, "__time__ (__days__ days left)", s.daysLeft, values) : t("__time__ (less than a day left)", values);
        },

        /* remaining returns the text for the time from now until time. Both are arguments of Date. */
        remaining: function (t, time, now) {
            const left = new Date(time) - new Date(now);
            const days = Math.round(left / day);
            const hours = Math.round(left / hour);
            const minutes = Math.ceil(left / 60000);
            if (left >= 2 * day) {
                return words.plural(t, "__days__ days left", days, { days: days });
            }
            if (left >= 2 * hour) {
                return words.plural(t, "__hours__ hours left", hours, { hours: hours });
            }
            return left > 0 ? words.plural(t, "__minutes__ minutes left", minutes, { minutes: minutes }) : t("expired");
        }
    };

    // Failures after which the connector retries automatically.
    const retried = ["microsoft_unavailable", "microsoft_throttled", "microsoft_answer"];

    const parse = function (text) {
        try {
            return JSON.parse(text) || {};
        } catch (notJSON) {
            return {};
        }
    };

    const paramsOf = function (t, failure) {
        const filled = Object.assign({}, failure.params);
        if (filled.api) {
            filled.api = words.api(t, filled.api);
        }
        if (filled.role) {
            filled.role = words.role(t, filled.role);
        }
        return filled;
    };

    const failures = {
        /* read extracts the parts of a call's error. failure is the connector's, or null if it sent none; unreachable says
           that the connector was not reached, and temporary that the same call may succeed later; reference is the
           platform's, if there is one, because its log has the call even when the connector's does not. */
        read: function (error) {
            const answered = error && error.response;
            const response = answered || {};
            const body = parse(response.text);
            const failure = body.details && body.details.text ? body.details : null;
            const status = response.status || 0;
            const broken = Boolean(answered) && (status === 0 || status >= 500);
            // The connector explains its own failures; an answer without one comes from a proxy or the platform.
            const unreachable = broken && !failure;
            const temporary = broken || status === 429;
            const reference = response.getHeader ? response.getHeader("APS-Transaction-ID") || "" : "";
            return { failure: failure, unreachable: unreachable, temporary: temporary, message: body.message || "", reference: reference };
        },

        /* sentence returns what happened. */
        sentence: function (t, failure) {
            return t(failure.text, paramsOf(t, failure));
        },

        /* advice returns what to do about it. */
        advice: function (t, failure) {
            return failure.adviceText ? t(failure.adviceText, paramsOf(t, failure)) : "";
        },

        /* withReference appends the reference in the log to a text of whole sentences. */
        withReference: function (t, text, reference) {
            return reference ? [text, t("Reference: __reference__.", { reference: reference })].filter(Boolean).join(" ") : text;
        },

        /* withEvidence appends what others need to look a failure up: Microsoft's code, and the reference. */
        withEvidence: function (t, text, failure) {
            const code = failure.microsoft && failure.microsoft.code;
            const shown = code ? [text, t("Microsoft's code: __code__.", { code: code })].filter(Boolean).join(" ") : text;
            return this.withReference(t, shown, failure.reference);
        },

        /* whatToDo returns the advice with Microsoft's code and the reference. */
        whatToDo: function (t, failure) {
            return this.withEvidence(t, this.advice(t, failure), failure);
        },

        /* messageOf returns what happened, what to do, Microsoft's code, and the reference in the log, in whole sentences. */
        messageOf: function (t, failure) {
            return [this.sentence(t, failure), this.whatToDo(t, failure)].filter(Boolean).join(" ");
        },

        /* consentMessage is messageOf for a failed consent, which, unlike a renewal, is not retried automatically. */
        consentMessage: function (t, failure) {
            if (retried.indexOf(failure.code) < 0) {
                return this.messageOf(t, failure);
            }
            const message = [this.sentence(t, failure), t("Nothing was changed. Start again in a few minutes.")].join(" ");
            return this.withEvidence(t, message, failure);
        },

        /* errorMessage is messageOf for the error of a call, and consentErrorMessage is consentMessage for it. */
        errorMessage: function (t, error) {
            const read = this.read(error);
            return read.failure ? this.messageOf(t, read.failure) : this.unexplainedMessage(t, read);
        },
        consentErrorMessage: function (t, error) {
            const read = this.read(error);
            return read.failure ? this.consentMessage(t, read.failure) : this.unexplainedMessage(t, read);
        },

        /* unexplainedMessage describes an error that the connector did not explain. */
        unexplainedMessage: function (t, read) {
            if (read.unreachable) {
                return this.withReference(t, t("The connector can't be reached at the moment. Try again in a few minutes."), read.reference);
            }
            if (read.message) {
                return this.withReference(t, t("The platform refused the request: __message__", { message: read.message }), read.reference);
            }
            return this.withReference(t, t("The request couldn't be completed. Reload the page and try again."), read.reference);
        }
    };

    const result = function (t, event) {
        if (event.failure) {
            return failures.sentence(t, event.failure);
        }
        return event.result === "ok" ? t("OK") : event.result;
    };

    const eventTexts = {
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
            const cell = function (text) { return ['"', String(text).replace(/^[=+\-@\t\r\n]/, "'$&").replace(/"/g, '""'), '"'].join(""); };
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
                    at: words.localTime(e.at),
                    action: words.action(t, e.action),
                    actor: words.actor(t, e.actor || {}),
                    result: result(t, e),
                    reference: e.reference || ""
                });
            });
        }
    };

    return { operations: operationsOf, failures: failures, words: words, eventTexts: eventTexts };
});
