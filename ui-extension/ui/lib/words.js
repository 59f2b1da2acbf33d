/*
 * The words of the screen: states, answers, actions, people and times. Every function takes t, which translates a
 * text with __named__ placeholders; no sentence is built from parts.
 */
define([], function () {
    "use strict";

    const day = 24 * 60 * 60 * 1000;
    const hour = 60 * 60 * 1000;

    const locale = function () {
        const platform = window.aps && window.aps.context && window.aps.context._locale;
        const used = platform || document.documentElement.lang; // the page of a tile has no context of its own
        return used ? used.replace("_", "-") : undefined;
    };

    const format = function (time, options) {
        const date = new Date(time);
        try {
            return date.toLocaleString(locale(), options);
        } catch (unknownLocale) {
            return date.toLocaleString(undefined, options);
        }
    };

    const words = {
        /* number returns a count as people write it in the language of the screen. */
        number: function (n) {
            try {
                return n.toLocaleString(locale());
            } catch (unknownLocale) {
                return n.toLocaleString();
            }
        },

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

        /* customerStates returns the statusInfo of aps/Status for customers. */
        customerStates: function (t) {
            return {
                ready: { label: t("Ready"), type: "success", icon: "fa-check" },
                ending: { label: t("Relationship Ends Soon"), type: "warning", icon: "fa-clock-o" },
                outdated: { label: t("Consent Outdated"), type: "warning", icon: "fa-exclamation" },
                missing: { label: t("Consent Missing"), type: "warning", icon: "fa-exclamation" },
                unknown: { label: t("Consent Unknown"), type: "muted", icon: "fa-question" },
                refused: { label: t("Access Refused"), type: "danger", icon: "fa-bolt" },
                none: { label: t("No Relationship"), type: "muted", icon: "fa-minus" }
            };
        },

        /* relationship returns the text for a customer's active relationship. */
        relationship: function (t, customer) {
            if (!customer.active) {
                return t("None active");
            }
            if (!customer.endsAt) {
                return t("Active");
            }
            const values = { date: words.date(customer.endsAt) };
            return customer.autoExtends ? t("Until __date__, then extended automatically", values) : t("Until __date__", values);
        },

        /* customerConsent returns the text for the application's consent in a customer's directory. */
        customerConsent: function (t, customer) {
            if (customer.outdated) {
                return t("Granted on __date__, with different permissions than now", { date: words.date(customer.consentedAt) });
            }
            if (customer.consent === "yes") {
                return customer.consentedAt ? t("Granted on __date__", { date: words.date(customer.consentedAt) }) : t("Granted");
            }
            return customer.consent === "no" ? t("Missing") : t("Unknown");
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

        time: function (time) {
            return format(time, { dateStyle: "medium", timeStyle: "short" });
        },

        date: function (time) {
            return format(time, { dateStyle: "medium" });
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
    return words;
});
