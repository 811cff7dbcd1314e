// Package adminui embeds the web UI for administrators, and serves it below any path.
//
// The UI itself is the TypeScript under src, built into dist by "npm run build", which scripts/build calls. Go builds without
// Node: dist then holds nothing but a placeholder, a page that says so.
//
// # What embed.go expects of the build, and gives to it
//
// dist/index.html is the page for every URL below /admin, and refers to its files by relative paths ("assets/x.js"; Vite's
// base is "./"). Files below dist/assets have their hash in their names, and are cached for good.
//
// Right after the page's <head> the server writes two tags. <base href="…"> leads from whatever URL the page was asked for
// to /admin/, through any path that a proxy has put before it: "api/info" and "../logout" are good addresses for a script, and
// document.baseURI says where the UI is mounted. <meta name="csp-nonce" content="…"> has the nonce that style elements made by scripts
// must carry: the Content-Security-Policy lets no other in. Scripts must be files.
package adminui
