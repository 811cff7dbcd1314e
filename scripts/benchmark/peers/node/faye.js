// A Faye server with its defaults. Usage: node faye.js [REDIS-PORT]
// Without a port its engine is the one in memory. It prints the address that it listens on.
'use strict'

const http = require('node:http')
const faye = require('faye')

const port = process.argv[2]
const engine = port ? { type: require('faye-redis'), host: '127.0.0.1', port: Number(port) } : undefined
const server = http.createServer()
new faye.NodeAdapter({ mount: '/bayeux', timeout: 45, ...(engine && { engine }) }).attach(server)
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', 4096, () => console.log(`127.0.0.1:${server.address().port}`))
