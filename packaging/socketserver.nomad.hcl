# nomad job run socketserver.nomad.hcl
job "socketserver" {
  group "servers" {
    count = 2

    # Until no new client is sent here. Then SIGTERM drains.
    shutdown_delay = "5s"

    network {
      port "timestamp" { to = 9000 }
    }

    service {
      name     = "timestamp"
      port     = "timestamp"
      provider = "nomad"
      check {
        type     = "tcp"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "socketserver" {
      driver       = "docker"
      user         = "65532:65532"
      kill_signal  = "SIGTERM"
      kill_timeout = "40s" # longer than the longest drain

      config {
        image           = "socketserver:latest"
        args            = ["serve", "-c", "/local/servers.hcl", "--log-format", "json"]
        ports           = ["timestamp"]
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      template {
        destination   = "local/servers.hcl"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = <<-EOT
          defaults {
            timeouts { drain = "30s" }
          }

          server "timestamp" {
            transport "tcp" { address = ":9000" }
            concurrency "threading" {}
            handler "timestamp" {}
            limits { per_source = 0 } # clients come from the addresses of nodes
          }
        EOT
      }

      resources {
        cpu    = 100
        memory = 256
      }
    }
  }
}
