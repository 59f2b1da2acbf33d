/* The properties of all widgets of the SDK: the width in the grid of twelve columns, and the visibility. */
define(["dojo/_base/declare", "dojo/dom-class"], function (declare, domClass) {
    return declare("aps._Cell", null, {
        gridSize: "",
        _setGridSizeAttr: function (size) {
            this._set("gridSize", size);
            String(size).split(/\s+/).forEach(function (part) {
                if (part) {
                    domClass.add(this.domNode, "col-" + part);
                }
            }, this);
        },

        visible: true,
        _setVisibleAttr: function (visible) {
            this._set("visible", visible);
            domClass.toggle(this.domNode, "dijitHidden", !visible);
        }
    });
});
