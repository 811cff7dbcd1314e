# frozen_string_literal: true

module Pandapush
  # Takes an event stream apart, as it comes. What lacks the empty line at its end, because the connection broke, is no event.
  class Events # :nodoc:
    MAX_LINE = 16 << 20 # bytes: a message, or a page of a room

    # An event, or what stands between two empty lines without being one.
    Raw = Struct.new(:kind, :data, :id, :retry)

    def initialize
      @rest = String.new
      @event = Raw.new
    end

    # Yields the events that are whole with this piece of the stream.
    def feed(piece)
      *lines, @rest = (@rest << piece).split("\n", -1)
      raise Error, "a line of the event stream is too long" if @rest.bytesize > MAX_LINE

      lines.each do |line|
        line = line.delete_suffix("\r").force_encoding(Encoding::UTF_8)
        next add(line) unless line.empty?

        event = @event
        @event = Raw.new
        yield event
      end
    end

    private

    def add(line)
      name, value = line.split(/: ?/, 2)
      case name
      when "event" then @event.kind = value
      when "data" then @event.data = [@event.data, value].compact.join("\n")
      when "id" then @event.id = value
      when "retry" then @event.retry = value.to_i / 1000.0
      end
    end
  end
end
