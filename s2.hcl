plugin "sum" {
  command     = ["/usr/bin/awk", "-f", "plugins/sum.awk"]
  environment = { LC_ALL = "C", SERVER = "x" }
  option "greeting" {
    default = "sum"
    doc = "before each"
  }
  option "n" { type = "number" }
}
server "sum" {
  transport "tcp" { address = "127.0.0.1:7005" }
  concurrency "preforking" {}
  plugin "sum" { 
  greeting = "it is" 
 }
}
