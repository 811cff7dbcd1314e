# frozen_string_literal: true

require_relative "support"
require "open3"
require "rbconfig"

class ReadmeTest < Minitest::Test
  def test_its_snippets_are_a_program_which_prints_what_it_says
    Server.run do |server|
      blocks = File.read(File.expand_path("../README.md", __dir__)).scan(/^```(\w+)\n(.*?)^```$/m).group_by(&:first)
      program = blocks["ruby"].map(&:last).join.gsub("http://localhost:3000", server.url)
      lib = File.expand_path("../lib", __dir__)
      out, status = Open3.capture2(RbConfig.ruby, "-W", "-I", lib, "-e", program)
      assert(status.success?)
      assert_equal(blocks["text"].map(&:last).join, out)
    end
  end

  def test_the_gem_is_whole
    spec = Gem::Specification.load(File.expand_path("../pandapush.gemspec", __dir__))
    assert_equal(Pandapush::VERSION, spec.version.to_s)
    assert_includes(spec.files, "lib/pandapush/client.rb")
  end
end
