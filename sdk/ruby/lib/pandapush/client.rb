# frozen_string_literal: true

require "json"
require "net/http"
require "securerandom"
require "uri"

module Pandapush
  # A client of one server. Make one and keep it: threads may share it.
  class Client
    # What may stand in a URL's path as it is. The server knows the rest of the grammar; this is to keep a name that a stranger had
    # a part in, such as one with dots, from leading to another URL.
    CHANNEL = %r{\A/[A-Za-z0-9]+(/[A-Za-z0-9_~*-]+){2,}\z}.freeze

    # +url+ is like "https://push.example.com"; a path in it is kept. Give a key with its secret, or a token, or for public channels
    # neither. +timeout+ bounds, in seconds, connecting and each wait for the server; +attempts+ is how often a request is sent at
    # most.
    def initialize(url, key: nil, secret: nil, token: nil, timeout: 10, attempts: 5)
      raise ArgumentError, "give a key with its secret, or a token" if (token && (key || secret)) || key.nil? != secret.nil?

      @key = key
      @secret = secret
      authorization = "Bearer #{token}" if token
      authorization = "Basic #{["#{key}:#{secret}"].pack("m0")}" if key
      @connection = Connection.new(url, authorization: authorization, timeout: timeout, attempts: attempts)
    end

    # Stores +data+, a Hash, on a channel, and returns the message's id, a cursor. Tries again when it gets no answer; the message
    # is stored once all the same. After a ConnectionError it is not known whether it is stored: publish it again under the same
    # idempotency key to find out.
    #
    # idempotency_key:: names the publish: another one under the same key, within the server's window, is answered as the first was,
    #                   and stores nothing. 1 to 255 printable ASCII characters; a random one by default
    # if_match:: a cursor: stored only if nothing newer is on the channel, else a RefusedError of the kind "changed"
    # ttl:: seconds for which those who read the past get the message, at least 1
    # exclude:: client id of a session that does not get it
    def publish(channel, data, idempotency_key: nil, if_match: nil, ttl: nil, exclude: nil)
      check(channel)
      headers = { **once(idempotency_key), "If-Match" => if_match }.compact
      target = "/channel#{channel}#{query(ttl: ttl, exclude: exclude)}"
      answer = @connection.call("publish on #{channel}", Net::HTTP::Post, target, body: JSON.generate(data), headers: headers)
      answer["id"]
    end

    # Stores up to 1,000 messages for channels of one application: all or none, and once, as publish does. Each is a Hash with
    # +data+ and a +channel+, or several +channels+, and may have +ttl+ and +exclude+. Returns a Result for each message and
    # channel, in their order.
    def batch(messages, idempotency_key: nil)
      raise ArgumentError, "a batch is an array of messages, and not empty" unless messages.is_a?(Array) && messages.any?

      body = JSON.generate(messages)
      first = JSON.parse(body).first.to_h
      channel = check(first["channel"] || first["channels"].to_a.first)
      app = channel.split("/")[1]
      answer = @connection.call("batch for #{app}", Net::HTTP::Post, "/batch/#{app}", body: body, headers: once(idempotency_key))
      answer["results"].map { |result| Result.new(channel: result["channel"], id: result["id"]) }
    end

    # Reads back what is kept of a channel, or of all that a pattern matches, as a Page. It may be empty and still have a +next+.
    #
    # since:: what came after: a cursor, a time ago ("2m"), or a number of messages ("10")
    # until:: nothing that came after: a cursor, or a time ago
    # limit:: messages at most, up to 1,000; 100 by default
    # order:: which come first: "newest", the default, or "oldest"
    def history(channel, **range)
      unknown = range.keys - %i[since until limit order]
      raise ArgumentError, "unknown: #{unknown.join(", ")}" unless unknown.empty?

      check(channel)
      page = @connection.call("history of #{channel}", Net::HTTP::Get, "/channel#{channel}#{query(**range)}")
      messages = page["messages"].map do |message|
        Message.new(id: message["id"], channel: message["channel"], data: message["data"], notice: message["notice"] || false)
      end
      gap = page["gap"]&.then { |found| Gap.new(reason: found["reason"], from: found["from"], to: found["to"]) }
      Page.new(messages: messages, cursor: page["cursor"], next: page["next"], gap: gap)
    end

    # Yields what is published on channels and patterns, all of one application: a Message, a Gap or a Room. Begins after +since+, a
    # cursor, a time ago ("2m") or a number of messages ("10"), or now. Comes back by itself when the connection is lost, and goes
    # on after the last event: every message that the server keeps is had once, in order; where one may be missing there is a Gap.
    #
    # Goes on until the block breaks. Raises what the block raises, a RefusedError when the server refuses, an EndedError when it
    # ends the stream for good, and a ConnectionError when +attempts+ have not brought a first connection about.
    def follow(*channels, since: nil, &block)
      raise ArgumentError, "there is no channel" if channels.empty?

      channels.each { |channel| check(channel) }
      return enum_for(:follow, *channels, since: since) unless block

      first, *others = channels
      Follower.new(@connection, "/channel#{first}#{query(since: since, channel: others)}", "follow #{channels.join(", ")}", &block).run
    end

    # Mints a token for a channel or a pattern, without asking the server. +presence+ says who the bearer is, with an +id+; it is
    # needed to subscribe to a presence channel, and others in the room see it. +life+ is in seconds.
    def token(channel, publish: false, subscribe: false, presence: nil, life: 3600)
      check(channel)
      raise ArgumentError, "minting a token takes a client with a key" unless @key
      raise ArgumentError, "the token would allow neither publishing nor subscribing" unless publish || subscribe
      raise ArgumentError, "life takes a number of seconds" unless life.positive?

      claims = { channel: channel, exp: (Time.now + life).to_i, presence: presence }.compact
      claims[:pub] = true if publish
      claims[:sub] = true if subscribe
      Token.mint(@key, @secret, claims)
    end

    # Without the secret, which is in here.
    def inspect = "#<#{self.class}>"

    private

    def check(channel)
      return channel if channel.is_a?(String) && CHANNEL.match?(channel)

      raise ArgumentError, "invalid channel #{channel.inspect}: it takes the form /application/kind/path"
    end

    # The header that names a request. Every one that stores something has it: without, it could not be sent again.
    def once(key) = { "Idempotency-Key" => key || SecureRandom.uuid }

    # A query of what is given, with its question mark.
    def query(**params)
      given = params.reject { |_, value| value.nil? || value == [] }
      given.empty? ? "" : "?#{URI.encode_www_form(given)}"
    end
  end
end
