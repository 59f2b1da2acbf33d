/* The messages above a screen. */
define(["dojo/_base/declare", "./_Templated"], function (declare, _Templated) {
    return declare("aps.MessageList", _Templated, {
        templateString: "<div class='aps-messages' data-dojo-attach-point='containerNode'></div>"
    });
});
