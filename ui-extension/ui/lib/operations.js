/*
 * The operations of one tenant, as the platform passes them on to the connector. Every function returns the promise
 * of aps/xhr; nothing else may be used for calls, because the platform's library adds the token of the session
 * (aps-ui.md §2.4).
 */
define(["aps/xhr"], function (xhr) {
    "use strict";

    // Some operations ask Microsoft before they answer.
    const patience = 60000;

    return function (tenantId) {
        const address = function (path) {
            return "/aps/2/resources/" + encodeURIComponent(tenantId) + "/" + path;
        };
        const get = function (path) {
            return xhr.get(address(path), { timeout: patience });
        };
        const post = function (path, body) {
            return xhr.post(address(path), {
                headers: { "Content-Type": "application/json" },
                data: JSON.stringify(body || {}),
                timeout: patience
            });
        };
        return {
            tokenStatus: function () { return get("tokenStatus"); },
            history: function (limit) { return get("history?limit=" + limit); },
            beginConsent: function () { return post("consents"); },
            findConsent: function (id) { return get("consents/" + encodeURIComponent(id)); },
            consentLink: function () { return post("consentLink"); },
            redeem: function (code) { return post("redeem", { code: code }); },
            check: function () { return post("check"); },
            renew: function () { return post("renew"); },
            forget: function () { return post("forget"); }
        };
    };
});
