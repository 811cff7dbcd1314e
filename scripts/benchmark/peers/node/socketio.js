// A Socket.IO server with its Redis streams adapter and otherwise its defaults. Usage: node socketio.js REDIS-PORT
// A client joins a room by the event "join", with an acknowledgement, and publishes to one by "publish"; POST
// /publish?channel=ROOM publishes, too. It prints the address that it listens on.
'use strict'

const http = require('node:http')
const { createClient } = require('redis')
const { createAdapter } = require('@socket.io/redis-streams-adapter')
const { Server } = require('socket.io')

async function main() {
  const redis = createClient({ url: `redis://127.0.0.1:${process.argv[2]}` })
  await redis.connect()
  const server = http.createServer()
  const io = new Server(server, { adapter: createAdapter(redis) })
  io.on('connection', (socket) => {
    socket.on('join', (room, done) => {
      socket.join(room)
      done()
    })
    socket.on('publish', (room, data) => io.to(room).emit('message', data))
  })
  const others = server.listeners('request').slice()
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const url = new URL(request.url, 'http://localhost')
    if (url.pathname !== '/publish') return others.forEach((listener) => listener(request, response))
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (part) => (body += part))
    request.on('end', () => {
      io.to(url.searchParams.get('channel')).emit('message', JSON.parse(body))
      response.setHeader('Content-Length', 0)
      response.end()
    })
  })
  server.keepAliveTimeout = 600_000
  server.listen(0, '127.0.0.1', 4096, () => console.log(`127.0.0.1:${server.address().port}`))
}

main()
