/*
 * Configures Dojo's loader before it starts, as the platform's aps.js does: with the locations of Dojo and the SDK, and the
 * language of the panel. It keeps the page's own configuration. The server sets apsLoader.
 */
(function () {
    var given = window.dojoConfig || {};
    var client = "/aps/2/ui/runtime/client/";
    var locale = /^#\/[^\/]+\/([a-z]{2}_[A-Z]{2})/.exec(window.parent.location.hash);
    var config = { packages: [{ name: "aps", location: client + "aps" }].concat(given.packages || []) };
    Object.keys(given).forEach(function (name) {
        config[name] = config[name] || given[name];
    });
    config.async = window.apsLoader.async;
    config.baseUrl = client + "dojo/";
    config.locale = locale ? locale[1].replace("_", "-").toLowerCase() : "en-us";
    window.dojoConfig = config;
    ["dijit/themes/dijit.css", "aps/aps.css", "aps/dojo.css"].forEach(function (name) {
        var style = document.createElement("link");
        style.rel = "stylesheet";
        style.href = client + name;
        document.head.appendChild(style);
    });
}());
