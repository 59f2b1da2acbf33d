/* A group with a title, which is markup, a state beside it and buttons below. */
define(["dojo/_base/declare", "dojo/_base/lang", "./_Templated", "./Button"], function (declare, lang, _Templated, Button) {
    return declare("aps.Tile", _Templated, {
        templateString: "<div><section class='aps-tile' aria-labelledby='${id}_title'><div class='aps-tile-head'>" +
            "<h2 class='aps-title' id='${id}_title' data-dojo-attach-point='titleNode'></h2>" +
            "<div data-dojo-attach-point='infoNode'></div></div>" +
            "<div class='aps-tile-body' data-dojo-attach-point='containerNode'></div>" +
            "<div class='aps-tile-buttons' data-dojo-attach-point='buttonsNode'></div></section></div>",
        title: "",
        _setTitleAttr: { node: "titleNode", type: "innerHTML" },

        _setInfoAttr: function (widget) {
            this._set("info", widget);
            widget.placeAt(this.infoNode);
            this.own(widget);
        },

        _setButtonsAttr: function (buttons) {
            (this._made || []).forEach(function (button) { button.destroyRecursive(); });
            this._set("buttons", buttons);
            this._made = buttons.map(function (properties) {
                return new Button(lang.mixin({}, properties)).placeAt(this.buttonsNode);
            }, this);
        },

        destroy: function () {
            (this._made || []).forEach(function (button) { button.destroyRecursive(); });
            this.inherited(arguments);
        }
    });
});
