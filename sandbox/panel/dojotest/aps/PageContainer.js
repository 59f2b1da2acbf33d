/* The page of a screen. It contains the list of messages with the fixed id "messageList". */
define([
    "dojo/_base/declare", "./_Templated", "./MessageList", "./Message", "./_frame"
], function (declare, _Templated, MessageList, Message, frame) {
    return declare("aps.PageContainer", _Templated, {
        templateString: "<div class='aps-page'><div class='aps-page-content' data-dojo-attach-point='containerNode'></div></div>",

        postCreate: function () {
            this.inherited(arguments);
            this.messages = new MessageList({ id: "messageList" }).placeAt(this.domNode, "first");
            frame.pageLoaded(this);
        },

        display: function (message) { this.messages.addChild(new Message(message)); }
    });
});
