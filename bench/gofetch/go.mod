module example.com/gofetch

go 1.24
