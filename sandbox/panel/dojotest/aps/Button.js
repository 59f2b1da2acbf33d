/* Dijit's button. After a click it is busy until cancel() or set("isBusy", false), unless autoBusy is false. */
define(["dojo/_base/declare", "dojo/dom-class", "dijit/form/Button", "./_Cell"], function (declare, domClass, Button, _Cell) {
    return declare("aps.Button", [Button, _Cell], {
        autoBusy: true,
        isBusy: false,

        postMixInProperties: function () {
            this.kind = this.type; // the SDK's type is a style, Dijit's is that of the element
            this.type = "button";
            this.label = this.label || this.title;
            this.title = "";
            this.inherited(arguments);
        },

        postCreate: function () {
            this.inherited(arguments);
            domClass.add(this.domNode, "aps-look-" + this.kind);
        },

        _onClick: function () {
            if (this.isBusy) {
                return false;
            }
            if (this.autoBusy) {
                this.set("isBusy", true);
            }
            return this.inherited(arguments);
        },

        _setIsBusyAttr: function (is) {
            this._set("isBusy", is);
            this.focusNode.setAttribute("aria-busy", String(Boolean(is)));
        },

        cancel: function () { this.set("isBusy", false); }
    });
});
