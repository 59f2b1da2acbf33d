/* Calls of the platform's API with Dojo's requests. Each carries the token of the session. */
define(["dojo/_base/lang", "dojo/request/xhr", "./_frame"], function (lang, request, frame) {
    var call = function (url, options) {
        var given = lang.mixin({ handleAs: "json" }, options);
        given.headers = lang.mixin({ "APS-Token": frame.token(), "APS-Locale": frame.locale() }, given.headers);
        return request(url, given);
    };
    ["get", "post", "put", "del"].forEach(function (name) {
        call[name] = function (url, options) {
            return call(url, lang.mixin({}, options, { method: name === "del" ? "DELETE" : name.toUpperCase() }));
        };
    });
    return call;
});
