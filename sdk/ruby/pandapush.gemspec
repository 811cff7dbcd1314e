# frozen_string_literal: true

require_relative "lib/pandapush/version"

Gem::Specification.new do |spec|
  spec.name = "pandapush"
  spec.version = Pandapush::VERSION
  spec.summary = "Publish to Pandapush, read back and follow from a back end"
  spec.homepage = "https://github.com/pandapush/pandapush"
  spec.authors = ["The Pandapush authors"]
  spec.license = "MIT"
  spec.metadata = {
    "source_code_uri" => "https://github.com/pandapush/pandapush/tree/main/sdk/ruby",
    "changelog_uri" => "https://github.com/pandapush/pandapush/blob/main/CHANGELOG.md",
    "bug_tracker_uri" => "https://github.com/pandapush/pandapush/issues",
    "rubygems_mfa_required" => "true"
  }
  spec.required_ruby_version = ">= 3.0"
  spec.files = Dir["lib/**/*.rb", "README.md", "LICENSE", base: __dir__]
end
