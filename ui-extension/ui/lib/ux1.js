/*
 * Makes a view of UX1 from a screen. Screens do not depend on the panel; this module passes them what differs between
 * panels, as lib/classic does in classic panels (docs/reference/aps-ui.md §2.6):
 *
 *   id(name)                 an id that is unique in the application
 *   byId(name)               the widget with that id
 *   t(text, params)          the translation of a text with __named__ placeholders
 *   showMessage(type, text)  shows a message above the screen, replacing an earlier one; type is info, warning or error
 *   clearMessage()           removes that message
 *   open(view, from)         opens another screen of this package, by its name without the panel's ending, and passes
 *                            it the name of this one
 *   from()                   the screen from which this one was opened, if known
 *   done()                   ends the processing that a button below the screen started, if the screen stays open
 *   vars()                   the resources that the navigation declares
 *   subscription()           the id of the current subscription, if the panel has one
 *
 * A screen is a function that takes such an object and returns {tree, show, hide} and, if it has buttons below,
 * {submit, cancel}. tree() returns its widgets and is called once; show() fills them, each time that the screen opens or
 * the platform notifies it, and returns a promise that ends when they are filled, or null; hide() stops all timers.
 */
define(["dojo/_base/declare", "aps/View", "app/lib/connector"], function (declare, View, connector) {
    "use strict";

    const { words } = connector;

    const connect = function (view, screen, message) {
        return screen({
            id: function (name) { return view.genId(name); },
            byId: function (name) { return view.byId(name); },
            t: function (text, params) { return params ? _(text, words.plain(params), view) : _(text, view); },
            showMessage: function (type, text) {
                aps.apsc.removeMessage(message);
                aps.apsc.displayMessage({ id: message, type: type, description: text });
            },
            clearMessage: function () { aps.apsc.removeMessage(message); },
            open: function (name, from) { aps.apsc.gotoView(name, null, { from: from }); },
            from: function () { return (aps.context.params || {}).from || ""; },
            done: function () { aps.apsc.cancelProcessing(); },
            vars: function () { return aps.context.vars; },
            subscription: function () { return aps.context.subscriptionId; }
        });
    };

    return function (screen, message) {
        // UX1 makes one view of a module and keeps it. The view object itself stores nothing, because its property names
        // belong to the platform (docs/reference/aps-ui.md §2.2).
        let shown = null;
        const ready = function () { aps.apsc.hideLoading(); };
        return declare(View, {
            init: function () {
                shown = connect(this, screen, message);
                return shown.tree();
            },
            onContext: function () {
                const filled = shown.show();
                if (filled) {
                    filled.always(ready);
                } else {
                    ready();
                }
            },
            onHide: function () { shown.hide(); },
            onSubmit: function () { shown.submit(); },
            onCancel: function () { shown.cancel(); }
        });
    };
});
