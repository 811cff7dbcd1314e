throw new Error("client.js was not built; run scripts/build");
