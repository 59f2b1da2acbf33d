/* Shows a value. It is text, unless escapeHTML says otherwise. */
define(["dojo/_base/declare", "./_Templated"], function (declare, _Templated) {
    return declare("aps.Output", _Templated, {
        templateString: "<div class='aps-output'><div class='aps-label' data-dojo-attach-point='labelNode'></div>" +
            "<div class='aps-output-value' data-dojo-attach-point='valueNode'></div></div>",
        escapeHTML: true,
        label: "",
        _setLabelAttr: { node: "labelNode", type: "innerText" },
        value: "",
        _setValueAttr: function (value) {
            this._set("value", value);
            var text = value === undefined || value === null ? "" : String(value);
            if (this.escapeHTML) {
                this.valueNode.textContent = text;
            } else {
                this.valueNode.innerHTML = text;
            }
        },
        _setContentAttr: function (value) { this.set("value", value); }
    });
});
