# frozen_string_literal: true

require_relative "support"

class FollowTest < Minitest::Test
  COUNT = 30

  def test_follows_over_a_server_that_is_killed_and_started_anew
    Server.run do |server|
      client = server.client
      channel = "/devapp/private/follow"
      since = client.publish(channel, { n: -1 })
      restarted = Queue.new
      publisher = Thread.new do
        COUNT.times do |n|
          restarted.pop if n == COUNT / 2
          client.publish(channel, { n: n })
        end
      end
      n = 0
      client.follow("/devapp/private/*", "/devapp/public/a", since: since) do |message|
        assert_equal([channel, { "n" => n }], [message.channel, message.data]) # each once, in order
        n += 1
        break if n == COUNT

        server.restart && restarted.push(true) if n == COUNT / 2
      end
      publisher.join
    ensure
      publisher&.kill
    end
  end

  def test_ends_when_it_is_refused_and_with_what_the_block_raises
    Server.run do |server|
      stranger = Pandapush::Client.new(server.url)
      refused = assert_raises(Pandapush::RefusedError) { stranger.follow("/devapp/private/a") { flunk } }
      assert_equal(401, refused.status)
      assert_raises(ArgumentError) { stranger.follow { flunk } }
      server.client.publish("/devapp/public/a", { n: 1 })
      [IOError, Errno::ECONNRESET, Pandapush::ConnectionError].each do |kind| # those of a lost stream, too
        assert_raises(kind) { stranger.follow("/devapp/public/a", since: 1) { raise kind } }
      end
      assert_equal({ "n" => 1 }, stranger.follow("/devapp/public/a", since: 1).first.data)
    end
  end

  PARTS = [
    %(retry: 1\n\n:\nid: a-1-0\n\nevent: presence\ndata: {"channel":"/x/presence/r","presence":{"subscribe":{"b":{"id":"b"}}}}\n\n),
    %(id: a-2-0\ndata: {"channel":"/x/presence/r",\r\ndata: "data":{},"id":"a-2-0","ext":{"notice":"presence"}}\r\n\r\nid: a-3-0\ndata: {}\n),
    %(event: new\ndata: what\n\nevent: gap\nid: a-5-0\ndata: {"app":"x","from":"a-2-0","to":"a-5-0","reason":"trimmed"}\n\n),
    %(event: end\ndata: {"reason":"Revoked key"}\n\n)
  ].freeze

  def test_understands_all_that_a_server_can_say_over_several_connections
    asked = []
    listener, thread, url = serve do |head|
      asked << head[/^last-event-id: (\S+)/i, 1]
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n#{PARTS[asked.size - 1]}"
    end
    got = []
    ended = assert_raises(Pandapush::EndedError) { Pandapush::Client.new(url).follow("/x/presence/r") { |event| got << event } }
    assert_match(/Revoked key/, ended.message)
    assert_equal([Pandapush::Room.new(channel: "/x/presence/r", members: { "b" => { "id" => "b" } }),
                  Pandapush::Message.new(id: "a-2-0", channel: "/x/presence/r", data: {}, notice: true),
                  Pandapush::Gap.new(reason: "trimmed", from: "a-2-0", to: "a-5-0")], got)
    assert_equal([nil, "a-1-0", "a-2-0", "a-5-0"], asked)
  ensure
    thread&.kill&.join
    listener&.close
  end
end
