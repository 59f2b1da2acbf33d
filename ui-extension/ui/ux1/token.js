/*
 * "Manage Refresh Token" in UX1. What it shows and does is in app/lib/screen; this view only connects it to the panel.
 * Nothing is kept on the view object itself, whose names belong to the platform (aps-ui.md §2.2).
 */
define(["dojo/_base/declare", "aps/View", "app/lib/screen"], function (declare, View, screen) {
    "use strict";

    const message = "azp-token-message";
    let shown = null; // UX1 makes one view of this module and keeps it

    const connect = function (view) {
        return screen({
            id: function (name) { return view.genId(name); },
            byId: function (name) { return view.byId(name); },
            t: function (text, params) { return params ? _(text, params, view) : _(text, view); },
            say: function (type, text) {
                aps.apsc.removeMessage(message);
                aps.apsc.displayMessage({ id: message, type: type, description: text });
            },
            hush: function () { aps.apsc.removeMessage(message); },
            vars: function () { return aps.context.vars; },
            subscription: function () { return aps.context.subscriptionId; }
        });
    };

    return declare(View, {
        init: function () {
            shown = connect(this);
            return shown.tree();
        },
        onContext: function () {
            const loaded = shown.show();
            if (loaded) {
                loaded.always(function () { aps.apsc.hideLoading(); });
            } else {
                aps.apsc.hideLoading();
            }
        },
        onHide: function () { shown.hide(); }
    });
});
