/* A group of fields with a title, which is markup, as in Dijit's widgets. */
define(["dojo/_base/declare", "./_Templated"], function (declare, _Templated) {
    return declare("aps.Panel", _Templated, {
        templateString: "<section class='aps-panel' aria-labelledby='${id}_title'>" +
            "<h2 class='aps-title' id='${id}_title' data-dojo-attach-point='titleNode'></h2>" +
            "<div class='aps-panel-body' data-dojo-attach-point='containerNode'></div></section>",
        title: "",
        _setTitleAttr: { node: "titleNode", type: "innerHTML" }
    });
});
