# frozen_string_literal: true

require "json"

module Pandapush
  # One call of Client#follow.
  class Follower # :nodoc:
    MAX_SILENCE = 75 # seconds; a stream that is silent for so long is lost. The server writes something every 25 s by default
    MAX_RETURN = 30 # bound of the pause before a follower tries again, while it fails

    def initialize(connection, target, what, &block)
      @connection = connection
      @target = target
      @what = what
      @block = block
      @last = nil # id of the last event
      @retry = 1.0 # pause before coming back, as the server has it
      @failures = 0 # attempts since there was a stream
      @begun = false # there was a stream
      @calling = false # the block runs, and what is raised is its own
    end

    # Connects again and again.
    def run
      stream
    rescue ConnectionError, RefusedError => e
      raise if @calling || !e.passes? || (!@begun && @failures >= @connection.attempts)

      sleep(pause(e))
      retry
    end

    private

    # After a stream as long as the server has said, which spreads its followers; later ever longer.
    def pause(error)
      @failures.zero? ? @retry : [Connection.pause(@failures, error), MAX_RETURN].min
    end

    # Reads one stream until it is lost.
    def stream
      @failures += 1
      http = @connection.open
      http.request(request) do |response|
        check(response)
        http.read_timeout = MAX_SILENCE
        events = Events.new
        response.read_body { |piece| events.feed(piece) { |event| take(event) } }
      end
      raise EOFError, "the stream broke off"
    rescue *Connection::LOST => e
      raise if @calling

      raise ConnectionError, "#{@what}: no answer: #{e.message}"
    ensure
      http.finish if http&.started?
    end

    def request
      headers = { "Accept" => "text/event-stream", "Accept-Encoding" => "identity" }
      headers["Last-Event-ID"] = @last if @last
      @connection.request(Net::HTTP::Get, @target, nil, headers)
    end

    def check(response)
      if response.code != "200"
        response.read_body
        raise RefusedError.new(@what, response)
      end
      raise Error, "#{@what}: the answer is no event stream" if response.content_type != "text/event-stream"

      @begun = true
    end

    # Gives what an event is about to the block.
    def take(event)
      @failures = 0
      @retry = [event.retry, MAX_RETURN].min if event.retry&.positive?
      decoded = decode(event.kind, event.data) if event.data
      if decoded
        @calling = true
        @block.call(decoded)
        @calling = false
      end
      @last = event.id if event.id
    end

    # Returns what an event is about; nil for one of a kind that is not known, as later servers may send.
    def decode(kind, data)
      return unless [nil, "message", "gap", "presence", "end"].include?(kind)

      data = JSON.parse(data)
      case kind
      when "gap" then Gap.new(reason: data["reason"], from: data["from"], to: data["to"])
      when "presence" then Room.new(channel: data["channel"], members: data["presence"]["subscribe"])
      when "end" then raise EndedError, "#{@what}: the server ended the stream: #{data["reason"]}"
      else Message.new(id: data["id"], channel: data["channel"], data: data["data"], notice: data.dig("ext", "notice") ? true : false)
      end
    end
  end
end
