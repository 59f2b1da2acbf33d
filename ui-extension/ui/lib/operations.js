/*
 * The operations of one resource, which the platform forwards to the connector. Every function returns the promise of
 * aps/xhr. Calls use nothing else, because the platform's library adds the token of the session
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
            history: function (limit) { return get("/history?limit=" + limit); },
            beginConsent: function () { return post("/consents"); },
            findConsent: function (id) { return get("/consents/" + encodeURIComponent(id)); },
            consentLink: function () { return post("/consentLink"); },
            redeem: function (code) { return post("/redeem", { code: code }); },
            check: function () { return post("/check"); },
            renew: function () { return post("/renew"); },
            forget: function () { return post("/forget"); },

            /* tenants are those of an instance. */
            tenants: function () { return get("/tenants"); },

            /* read returns the resource itself, and save changes its properties. */
            read: function () { return get(""); },
            save: function (changed) { return send("PUT", "", changed); }
        };
    };

    /* choose takes one tenant of those that the account has: the current subscription's, else the first by id, so
       that it is the same one each time. */
    operationsOf.choose = function (found, subscription) {
        const all = [].concat(found || []).filter(function (tenant) { return tenant && tenant.aps; });
        all.sort(function (a, b) { return a.aps.id < b.aps.id ? -1 : 1; });
        const current = all.find(function (tenant) { return subscription && tenant.aps.subscription === subscription; });
        return { tenant: current || all[0], several: all.length > 1 };
    };

    /* visits counts the visits of a screen: what still(show) returns shows an answer only when the visit has not ended
       in the meantime. */
    operationsOf.visits = function () {
        let visit = 0;
        return {
            still: function (show) {
                const mine = visit;
                return function (value) {
                    if (mine === visit) {
                        show(value);
                    }
                };
            },
            end: function () { visit += 1; }
        };
    };

    return operationsOf;
});
