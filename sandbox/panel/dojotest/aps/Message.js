/* A message above a screen. Its text is markup, as in Dijit's widgets. */
define(["dojo/_base/declare", "./_Templated"], function (declare, _Templated) {
    return declare("aps.Message", _Templated, {
        templateString: "<div class='aps-message aps-message-${type}'><div class='aps-message-text' data-dojo-attach-point='textNode'></div>" +
            "<button type='button' class='aps-message-close' aria-label='Close' data-dojo-attach-event='click:close'>×</button></div>",
        type: "info",
        description: "",
        _setDescriptionAttr: { node: "textNode", type: "innerHTML" },

        postCreate: function () {
            this.inherited(arguments);
            this.domNode.setAttribute("role", this.type === "error" ? "alert" : "status");
        },

        close: function () { this.destroyRecursive(); }
    });
});
