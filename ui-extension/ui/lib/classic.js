/*
 * Shows a screen in a page of a classic panel, where every screen is a page of its own. lib/ux1 describes what it passes
 * to the screen. The page also requires aps/ready!.
 */
define(["aps/load", "dijit/registry", "aps/Message", "app/lib/connector"], function (load, registry, Message, connector) {
    "use strict";

    const { words } = connector;

    return function (screen, prefix) {
        const message = prefix + "-message";
        const id = function (name) { return prefix + "-" + name; };
        const clearMessage = function () {
            const shown = registry.byId(message);
            if (shown) {
                shown.destroyRecursive();
            }
        };
        const shown = screen({
            id: id,
            byId: function (name) { return registry.byId(id(name)); },
            t: function (text, params) { return params ? _(text, words.plain(params)) : _(text); },
            showMessage: function (type, text) {
                clearMessage();
                registry.byId("messageList").addChild(new Message({ id: message, type: type, description: text }));
            },
            clearMessage: clearMessage,
            open: function (name, from) { aps.apsc.gotoView(name + "-classic", null, { from: from }); },
            from: function () { return (aps.context.params || {}).from || ""; },
            done: function () { aps.apsc.cancelProcessing(); },
            vars: function () { return aps.context.vars; },
            subscription: function () { return aps.context.subscriptionId; }
        });
        aps.app.onSubmit = function () { shown.submit(); };
        aps.app.onCancel = function () { shown.cancel(); };
        load(["aps/PageContainer", { id: id("page") }, shown.tree()], "aps-frame").then(function () {
            shown.show();
            window.addEventListener("pagehide", shown.hide);
            window.addEventListener("pageshow", function (event) {
                if (event.persisted) { // Back: the browser kept the page as it was left
                    shown.show();
                }
            });
        });
    };
});
