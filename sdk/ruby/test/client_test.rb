# frozen_string_literal: true

require_relative "support"

class ClientTest < Minitest::Test
  def test_publishes_and_reads_back
    Server.run do |server|
      client = server.client
      id = client.publish("/devapp/private/a", { n: 1 }, ttl: 60, exclude: "0123abc")
      results = client.batch([{ channel: "/devapp/private/a", data: { n: 2 }, ttl: 1.5 },
                              { "channels" => ["/devapp/private/b", "/devapp/private/a"], "data" => { n: 3 } }])
      assert_equal(%w[/devapp/private/a /devapp/private/b /devapp/private/a], results.map(&:channel))

      page = client.history("/devapp/private/*", limit: 2, order: "oldest", since: "1h")
      first = Pandapush::Message.new(id: id, channel: "/devapp/private/a", data: { "n" => 1 }, notice: false)
      assert_equal([first, results[0].id], [page.messages[0], page.messages[1].id])
      rest = client.history("/devapp/private/*", order: "oldest", since: page.next)
      assert_equal([results[1].id, results[2].id], rest.messages.map(&:id))
      assert_equal([results[2].id, nil, nil], [rest.cursor, rest.next, rest.gap])
    end
  end

  def test_stores_once_what_has_one_key_and_only_if_nothing_is_newer
    Server.run do |server|
      client = server.client
      channel = "/devapp/public/once"
      first = client.publish(channel, { order: 1 }, idempotency_key: "order-1")
      assert_equal(first, client.publish(channel, { order: 1 }, idempotency_key: "order-1"))
      reused = assert_raises(Pandapush::RefusedError) { client.publish(channel, { order: 2 }, idempotency_key: "order-1") }
      assert_equal([409, "idempotency-key-reused"], [reused.status, reused.kind])
      assert(reused.request_id)

      second = client.publish(channel, { order: 3 }, if_match: first)
      changed = assert_raises(Pandapush::RefusedError) { client.publish(channel, { order: 4 }, if_match: first) }
      assert_equal(["changed", second, second], [changed.kind, changed.newest, changed.cursor])
    end
  end

  def test_stores_once_what_it_publishes_over_connections_that_are_cut_before_the_answer
    Server.run do |server|
      cutter = Cutter.new(server.address)
      client = server.client(cutter.url)
      channel = "/devapp/public/cut"
      (0...40).step(2) do |n|
        client.publish(channel, { n: n })
        client.batch([{ channel: channel, data: { n: n + 1 } }])
      end
      assert_operator(cutter.cuts, :>=, 20)
      messages = server.client.history(channel, since: "1h", order: "oldest").messages
      assert_equal((0...40).to_a, messages.map { |message| message.data["n"] })
    ensure
      cutter&.close
    end
  end

  def test_mints_tokens
    Server.run do |server|
      client = server.client
      token = client.token("/devapp/presence/**", publish: true, subscribe: true, presence: { id: "änn" })
      bearer = Pandapush::Client.new(server.url, token: token)
      bearer.publish("/devapp/presence/room", {})
      refused = assert_raises(Pandapush::RefusedError) { bearer.publish("/devapp/private/x", {}) }
      assert_equal("forbidden", refused.kind)
      refute_includes(refused.message, token)
      room = bearer.follow("/devapp/presence/room") { |event| break event }
      assert_equal(Pandapush::Room.new(channel: "/devapp/presence/room", members: { "änn" => { "id" => "änn" } }), room)
      assert_raises(ArgumentError) { client.token("/devapp/private/x") }
      assert_raises(ArgumentError) { client.token("/devapp/private/x", subscribe: true, life: -1) }
      assert_raises(ArgumentError) { bearer.token("/devapp/private/x", subscribe: true) }
    end
  end

  def test_sends_nothing_that_cannot_be_right
    client = Pandapush::Client.new("http://127.0.0.1:1", key: "k", secret: "hidden")
    ["", "devapp/public/a", "/devapp/public", "/devapp/public/../../livez", "/devapp/public/a?b", "/devapp/public/a\n", nil].each do |channel|
      assert_match(/invalid channel/, assert_raises(ArgumentError) { client.publish(channel, {}) }.message)
    end
    [[], nil, "x"].each { |batch| assert_match(/not empty/, assert_raises(ArgumentError) { client.batch(batch) }.message) }
    assert_raises(ArgumentError) { client.history("/devapp/public/a", form: 1) }
    refute_includes(client.inspect, "hidden")
    [["ftp://host", {}], ["http://u:p@host", {}], ["http://host", { key: "k" }], ["http://host", { token: "t", key: "k", secret: "s" }]].each do |url, options|
      assert_raises(ArgumentError) { Pandapush::Client.new(url, **options) }
    end
  end

  def test_tries_again_what_may_work_later_under_the_same_key
    answer = keys = nil
    listener, thread, url = serve do |head|
      keys << head[/^idempotency-key: (\S+)/i, 1]
      "HTTP/1.1 #{answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    end
    client = Pandapush::Client.new(url, attempts: 3)
    { "503 x\r\nRetry-After: 0" => 3, "429 x" => 3, "502 x" => 3, "503 x\r\nRetry-After: 3600" => 1,
      "503 x\r\nRetry-After: #{(Time.now + 3600).httpdate}" => 1, "401 x" => 1, "500 x" => 1, "301 x\r\nLocation: /" => 1 }.each do |line, sent|
      answer = line
      keys = []
      refused = assert_raises(Pandapush::RefusedError) { client.publish("/devapp/public/a", {}, idempotency_key: nil) }
      assert_equal([line.to_i, "", sent], [refused.status, refused.kind, keys.size], line)
      assert_equal(1, keys.uniq.size)
      assert(keys[0], "a caller whose own key is missing has one all the same")
    end
  ensure
    thread&.kill&.join
    listener&.close
  end

  def test_waits_longer_and_longer_and_at_least_for_retry_after
    busy = Struct.new(:retry_after)
    (1..2000).each do |attempt|
      assert_includes(2..12, Pandapush::Connection.pause(attempt, busy.new(2)))
      assert_includes(0..0.2, Pandapush::Connection.pause(1, busy.new(0)))
    end
  end

  def test_gives_up_a_server_that_says_nothing
    silent = TCPServer.new("127.0.0.1", 0)
    client = Pandapush::Client.new("http://127.0.0.1:#{silent.addr[1]}", timeout: 0.05, attempts: 2)
    assert_raises(Pandapush::ConnectionError) { client.history("/devapp/public/a") }
    assert_raises(Pandapush::ConnectionError) { client.follow("/devapp/public/a") { flunk } }
  ensure
    silent&.close
  end

  def test_a_fork_and_threads_have_connections_of_their_own
    Server.run do |server|
      client = server.client
      client.publish("/devapp/public/fork", { n: 0 })
      child = fork { exit!(client.publish("/devapp/public/fork", { n: 1 }) ? 0 : 1) }
      threads = (2..9).map { |n| Thread.new { client.publish("/devapp/public/fork", { n: n }) } }
      threads.each(&:join)
      Process.wait(child)
      assert($?.success?)
      assert_equal((0..9).to_a, client.history("/devapp/public/fork").messages.map { |message| message.data["n"] }.sort)
    end
  end
end
