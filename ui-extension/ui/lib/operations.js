/*
 * The operations of one resource, which the platform forwards to the connector. Every function returns the promise of
 * aps/xhr. All calls use that, because the platform's library adds the token of the session
 * (docs/reference/aps-ui.md §2.4).
 */
define(["aps/xhr"], function (xhr) {
    "use strict";

    // Some operations call Microsoft before they answer.
    const timeLimit = 60000;

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
            history: function (limit, before) { return get("/history?limit=" + limit + (before ? "&before=" + encodeURIComponent(before) : "")); },
            beginConsent: function (request) { return post("/consents", request); },
            findConsent: function (id) { return get("/consents/" + encodeURIComponent(id)); },
            consentLink: function () { return post("/consentLink"); },
            redeem: function (code) { return post("/redeem", { code: code }); },
            check: function () { return post("/check"); },
            renew: function () { return post("/renew"); },
            remind: function () { return post("/remind"); },
            forget: function () { return post("/forget"); },
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

    return operationsOf;
});
