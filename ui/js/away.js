import "./face.js"

// On pages that know that nobody is logged in: what a member's direct messages left on this device goes.
if (localStorage.getItem("dm:owner") !== null) import("./dm/wipe.js").then(({ wipe }) => wipe())
