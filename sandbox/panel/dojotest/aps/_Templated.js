/* A widget of the SDK that is made from a template. If that has a containerNode, the widget accepts children. */
define([
    "dojo/_base/declare", "dijit/_WidgetBase", "dijit/_TemplatedMixin", "dijit/_Container", "./_Cell"
], function (declare, _WidgetBase, _TemplatedMixin, _Container, _Cell) {
    return declare("aps._Templated", [_WidgetBase, _TemplatedMixin, _Container, _Cell], {
        templateString: "<div data-dojo-attach-point='containerNode'></div>",
        removeAll: function () { this.destroyDescendants(); }
    });
});
