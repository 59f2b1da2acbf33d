/* Arranges tiles. */
define(["dojo/_base/declare", "./_Templated"], function (declare, _Templated) {
    return declare("aps.Tiles", _Templated, {
        templateString: "<div class='aps-row aps-tiles' data-dojo-attach-point='containerNode'></div>"
    });
});
