/* The base of a package's view (docs/reference/aps-ui.md §2.2), which on the platform is a widget, too. */
define(["dojo/_base/declare", "dijit/_WidgetBase", "dijit/registry"], function (declare, _WidgetBase, registry) {
    return declare("aps.View", _WidgetBase, {
        root: "",
        genId: function (name) { return this.id + "_" + name; },
        byId: function (name) { return registry.byId(this.genId(name)); },
        buildStaticURL: function (path) { return this.root + "/" + path; },
        init: function () { return []; },
        onShow: function () {},
        onContext: function () { aps.apsc.hideLoading(); },
        onHide: function () {}
    });
});
