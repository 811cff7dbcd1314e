# frozen_string_literal: true

$LOAD_PATH.unshift File.expand_path("../lib", __dir__)
require "json"
require "minitest/autorun"
require "pandapush"
require "socket"
require "tmpdir"

# The real program, with a data folder of its own.
class Server
  BINARY = ENV.fetch("PANDAPUSH_BIN") { File.expand_path("../../../bin/pandapush", __dir__) }

  attr_reader :address

  # Runs one for the length of a block.
  def self.run
    Dir.mktmpdir("pp-") do |dir|
      server = new(dir)
      begin
        server.start
        yield server
      ensure
        server.stop("TERM")
      end
    end
  end

  def initialize(dir)
    @dir = dir
    @address = "127.0.0.1:0" # of the first start; later ones take the same
  end

  def url = "http://#{address}"

  # Returns a client with the development application's key.
  def client(url = self.url, **more) = Pandapush::Client.new(url, key: "devkey", secret: "devsecret", attempts: 20, **more)

  # Kills the server as a crash would, and starts it anew in the same place.
  def restart
    stop("KILL")
    start
  end

  def start
    log, stderr = IO.pipe
    env = { "PATH" => ENV.fetch("PATH"), "TMPDIR" => Dir.tmpdir, "DATA_DIR" => @dir, "LISTEN" => address, "LOG_FORMAT" => "json",
            "DRAIN_SECONDS" => "1", "DEV_APPLICATION_ID" => "devapp", "DEV_KEY_ID" => "devkey", "DEV_KEY_SECRET" => "devsecret" }
    @pid = spawn(env, BINARY, "serve", unsetenv_others: true, out: File::NULL, err: stderr)
    stderr.close
    lines = []
    until (listening = lines.last && JSON.parse(lines.last)) && listening["msg"] == "listening"
      lines << (log.gets || raise("the server ended:\n#{lines.join}"))
    end
    @address = listening["addr"]
    @reader = Thread.new { log.each_line {} }
  end

  def stop(signal)
    return unless @pid

    Process.kill(signal, @pid)
    Process.wait(@pid)
    @reader&.join
    @pid = nil
  end
end

# A TCP proxy that takes every other connection away from its client: when all of the request has been passed on and the answer
# begins, so that what was asked for is done and nobody is told.
class Cutter
  attr_reader :cuts

  def initialize(to)
    @to = to
    @cuts = 0
    @listener = TCPServer.new("127.0.0.1", 0)
    @links = []
    @thread = Thread.new { accept }
  end

  def url = "http://127.0.0.1:#{@listener.addr[1]}"

  def close
    @thread.kill.join
    @links.each { |link| link.kill.join }
    @listener.close
  end

  private

  def accept
    (0..).each do |number|
      client = @listener.accept
      @links << Thread.new { carry(client, cut: number.even?) }
    end
  end

  # Passes a request on, and its answer unless it is to cut. Requests and answers are small enough to come in one piece.
  def carry(client, cut:)
    server = TCPSocket.new(*@to.split(":"))
    copy = Thread.new { IO.copy_stream(client, server) }
    answer = server.readpartial(1 << 20)
    cut ? @cuts += 1 : client.write(answer)
  rescue IOError, SystemCallError
    nil # one of the two has gone, which is what this is about
  ensure
    copy&.kill&.join
    [client, server].compact.each(&:close)
  end
end

# An HTTP server of the test's own: the block gets the head of each request, and returns the whole answer.
def serve
  listener = TCPServer.new("127.0.0.1", 0)
  thread = Thread.new do
    loop do
      socket = listener.accept
      head = +""
      head << socket.gets until head.end_with?("\r\n\r\n")
      socket.read(head[/^content-length: (\d+)/i, 1].to_i)
      socket.write(yield(head))
      socket.close
    end
  end
  [listener, thread, "http://127.0.0.1:#{listener.addr[1]}"]
end
