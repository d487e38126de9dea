module go-parent

go 1.19
